"""The options of `python -m pipelines.build`, as `--help` shows them."""

from __future__ import annotations

import argparse
import dataclasses
import os
import sys

from linac_config import config_names, invocation
from linac_config.config import (
  ACTIVATIONS,
  KEY_DERIVATIONS,
  PRECISIONS,
  LinacConfig,
)
from linac_tfds.schema import STORAGE_DTYPES
from pipelines.command_line.console import Parser
from pipelines.planning import worker_hints
from pipelines.planning.make_plan import FILE_FORMATS, ON_BAD_EXAMPLE

_EPILOG = """\
exit status:
  0    the dataset is there
  1    the build failed, or could not start; what is finished is kept
  2    an option or a setting does not fit; nothing was begun
  130  stopped by Ctrl-C; what is finished is kept

The same command goes on where a build stopped. docs/errors.md has the messages
and what to do.
"""

# What most builds are told, in the order of `--help`.
_COMMON = (
  'help',
  'source',
  'data_dir',
  'seed',
  'seeds',
  'precision',
  'plan',
  'overwrite',
  'config',
  'verbose',
)


class _Help(argparse.Action):
  """Prints this project's options first and Beam's after."""

  def __init__(self, option_strings, dest):
    super().__init__(
      option_strings,
      argparse.SUPPRESS,
      nargs=0,
      default=argparse.SUPPRESS,
      help="show this and, below it, the options of Beam's runners",
    )

  def __call__(self, parser, namespace, values, option_string=None):
    try:
      parser.print_help()
      sys.stdout.flush()  # Beam's take seconds.
      beam = beam_parser()
      beam._optionals.title = "options of Beam's runners"
      print('\n' + beam.format_help().partition('\n\n')[2], flush=True)
    except BrokenPipeError:  # Whoever reads it has read enough.
      os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    parser.exit()


def build_parser() -> Parser:
  """A parser of this project's options."""
  parser = Parser(
    prog=invocation.command('build'),
    usage='%(prog)s [OPTION]... [OPTION OF A BEAM RUNNER]...',
    description='Builds LINAC datasets, or goes on where a build stopped.',
    epilog=_EPILOG,
    formatter_class=argparse.RawDescriptionHelpFormatter,
    allow_abbrev=False,
    add_help=False,
  )
  parser.add_argument('-h', '--help', action=_Help)
  parser.add_argument(
    '--data_dir', help="TFDS's data folder (default: ~/tensorflow_datasets)"
  )
  parser.add_argument(
    '--source',
    default=config_names.DEFAULT_SOURCE,
    help='TFDS image dataset to fit, or `sample`, which needs no network '
    '(default: %(default)s)',
  )
  parser.add_argument(
    '--source_data_dir',
    help='where the source is prepared (default: --data_dir, then '
    "TFDS's folder; else it is downloaded into --data_dir)",
  )
  parser.add_argument(
    '--download_dir',
    metavar='DIR',
    help='where downloaded files of the source are kept (default: the folder '
    'downloads in --data_dir)',
  )
  parser.add_argument(
    '--seeds',
    metavar='A:B',
    help='build many datasets in one run: seeds A to B - 1, or 7,42, or both '
    'as in 0:10,42; --seeds=-3:0 for negative ones',
  )
  parser.add_argument('--splits', help='such as train,test (default: all)')
  parser.add_argument(
    '--max_examples_per_split', type=int, metavar='N', help='the first N only'
  )
  parser.add_argument(
    '--examples_per_shard',
    type=int,
    metavar='N',
    help='at most (default: 128; 32 in splits of fewer than 4,096)',
  )
  parser.add_argument(
    '--storage_dtype',
    choices=STORAGE_DTYPES,
    default='float16',
    help='of the representations (default: %(default)s)',
  )
  parser.add_argument(
    '--file_format',
    choices=FILE_FORMATS,
    default='tfrecord',
    help='tfrecord is read by tfds.load, array_record by tfds.data_source '
    '(default: %(default)s)',
  )
  parser.add_argument(
    '--images_per_batch',
    type=int,
    metavar='N',
    help='fitted by one call to the device; speed only (default: 1 on a core, '
    'on an accelerator what its memory holds)',
  )
  parser.add_argument(
    '--min_psnr',
    type=float,
    metavar='DB',
    help='an example whose fit has less is bad (default: none is)',
  )
  parser.add_argument(
    '--on_bad_example',
    choices=ON_BAD_EXAMPLE,
    default='stop',
    help='stop: publish nothing if an example cannot be fitted; skip: leave '
    'such examples out and list them (default: %(default)s)',
  )
  parser.add_argument(
    '--strict_devices',
    action='store_true',
    help='refuse to mix float32 shards of several kinds of devices or versions '
    'of jaxlib, whose bits may differ',
  )
  parser.add_argument(
    '--config_name',
    metavar='NAME',
    help='of a dataset under a private key, which --private_key_file or '
    'LINAC_PRIVATE_KEY holds and which is written nowhere',
  )
  parser.add_argument(
    '--private_key_file',
    metavar='PATH',
    help='holds the key: an integer of 64 bits, decimal or 0x hexadecimal',
  )
  parser.add_argument(
    '--overwrite',
    action='store_true',
    help='replace a dataset of the same name',
  )
  parser.add_argument(
    '--runner', help='Beam runner (default: DirectRunner, this machine)'
  )
  parser.add_argument(
    '--direct_num_workers',
    type=int,
    default=0,
    metavar='N',
    help='local processes (default: one per GPU, else one per core; fewer if '
    'memory is short)',
  )
  parser.add_argument(
    '--plan',
    action='store_true',
    help='fit two images, tell from them how many shards, bytes and hours a '
    'build takes, and build nothing (a source that is not there is downloaded)',
  )
  parser.add_argument(
    '--config',
    metavar='FILE',
    help='TOML file of options without their dashes, such as seed = 42; what '
    'the command line says wins',
  )
  parser.add_argument(
    '-v',
    '--verbose',
    action='store_true',
    help='show what Beam, TFDS and the workers of this machine log',
  )
  remote = parser.add_argument_group('workers elsewhere', 'Of other runners.')
  remote.add_argument(
    '--accelerator',
    metavar='HINT',
    help='that the workers that fit have, such as '
    f'{worker_hints.EXAMPLE} (default: none)',
  )
  remote.add_argument(
    '--worker_ram',
    metavar='SIZE',
    help="that they have at least, such as 16GB (default: the runner's choice)",
  )
  remote.add_argument(
    '--compilation_cache',
    metavar='PATH',
    help='a folder, also gs://, where workers leave compiled programs for each '
    'other; who can write there can run code on them (default: none)',
  )
  transform = parser.add_argument_group('transform', 'Fields of LinacConfig.')
  for field in dataclasses.fields(LinacConfig):
    transform.add_argument(
      f'--{field.name}',
      metavar='X',
      help=_field_help(field),
    )
  _list_first(parser, 'common options', _COMMON)
  return parser


def _list_first(parser: Parser, title: str, names: tuple[str, ...]) -> None:
  """Has `--help` list some options first, in a group of their own."""
  chosen = [parser._option_string_actions[f'--{name}'] for name in names]
  for group in parser._action_groups:
    group._group_actions = [a for a in group._group_actions if a not in chosen]
  parser.add_argument_group(title)._group_actions = chosen
  parser._action_groups.insert(0, parser._action_groups.pop())


def _field_help(field: dataclasses.Field) -> str:
  choices = {
    'key_derivation': KEY_DERIVATIONS,
    'activation': ACTIVATIONS,
    'precision': PRECISIONS,
    'use_bias': ('True', 'False'),
  }.get(field.name)
  default = config_names.format_field(field.default).replace('_', ',')
  prefix = f'{", ".join(choices)}; ' if choices else ''
  return f'{prefix}default: {default}'


def beam_parser() -> Parser:
  """A parser of all of Beam's options."""
  # Importing Beam takes seconds.
  from apache_beam.options.pipeline_options import PipelineOptions

  parser = Parser(add_help=False, allow_abbrev=False)
  for options in PipelineOptions.__subclasses__():
    options._add_argparse_args(parser)
  return parser
