"""The command line of `python -m pipelines.build`."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import json
import os

from google.protobuf import json_format

from linac_tfds import Cifar10Linac, LinacBuilderConfig, config_names
from linac_tfds.schema import STORAGE_DTYPES
from pipelines import hints, seeds, storage
from pipelines.errors import BuildError
from pipelines.local.devices import default_workers
from pipelines.prepare import (
  FILE_FORMATS,
  ON_BAD_EXAMPLE,
  Settings,
  check_folder,
)
from pipelines.private_key import ENVIRONMENT
from pipelines.runners import is_dask
from transforms.config import (
  ACTIVATIONS,
  KEY_DERIVATIONS,
  PRECISIONS,
  LinacConfig,
)


@dataclasses.dataclass(frozen=True)
class Command:
  """A parsed command line.

  Attributes:
    configs: of the datasets; several differ in their seeds alone.
    data_dir: TFDS's root folder, or None for its default.
    source_data_dir: where the source is prepared, or None.
    settings: of the build.
    runner: name of a Beam runner, or None.
    beam: `PipelineOptions` of that runner, or None.
  """

  configs: list[LinacBuilderConfig]
  data_dir: str | None
  source_data_dir: str | None
  settings: Settings
  runner: str | None
  beam: object

  def builder(self, config: LinacBuilderConfig) -> Cifar10Linac:
    """The builder of one of the datasets.

    Raises:
      BuildError: if the data folder cannot be written, or what it holds of
        the dataset cannot be read.
    """
    if self.data_dir:
      check_folder(storage.path(self.data_dir))
    try:
      return Cifar10Linac(
        config=config,
        data_dir=self.data_dir,
        source_data_dir=self.source_data_dir,
      )
    except (OSError, json.JSONDecodeError, json_format.ParseError) as error:
      raise BuildError(
        f'The metadata of cifar10_linac/{config.name} or of its source '
        f'are damaged: {error}\nDelete that `dataset_info.json` and run the '
        'same command again: whatever is sound is kept.'
      ) from error


def parse(argv: list[str]) -> Command:
  """Parses and checks the whole command line.

  Raises:
    ValueError: naming the option and its value, or an unknown option.
  """
  args, rest = _parser().parse_known_args(argv)
  for name in (
    'data_dir',
    'source_data_dir',
    'splits',
    'private_key_file',
    'compilation_cache',
  ):
    if getattr(args, name) == '':
      raise ValueError(f'{name} is empty; is a shell variable not set?')
  if args.config_name is None and ENVIRONMENT in os.environ:
    raise ValueError(
      f'{ENVIRONMENT} is set: pass --config_name to build with it, or unset it.'
    )
  names = {field.name for field in dataclasses.fields(Settings)}
  values = {k: v for k, v in vars(args).items() if k in names}
  if args.splits:
    values['splits'] = tuple(s.strip() for s in args.splits.split(','))
  values['direct_num_workers'] = args.direct_num_workers or default_workers()
  return Command(
    configs=_configs(args),
    data_dir=args.data_dir,
    source_data_dir=args.source_data_dir,
    settings=Settings(**values),
    runner=args.runner,
    beam=_beam_options(rest, args.runner),
  )


def _configs(args: argparse.Namespace) -> list[LinacBuilderConfig]:
  fields = {
    field.name: config_names.parse_field(field.name, text)
    for field in dataclasses.fields(LinacConfig)
    if (text := getattr(args, field.name)) is not None
  }
  if args.seeds is None:
    choices = [fields]
  elif 'seed' in fields or args.config_name is not None:
    other = 'seed' if 'seed' in fields else 'config_name'
    raise ValueError(f'Pass either seeds={args.seeds!r} or {other}, not both.')
  else:
    choices = [fields | {'seed': seed} for seed in seeds.parse(args.seeds)]
  return [
    LinacBuilderConfig(
      source=args.source, private_name=args.config_name, **choice
    )
    for choice in choices
  ]


class Parser(argparse.ArgumentParser):
  """Raises what argparse would print with a page of usage."""

  def error(self, message: str):
    raise ValueError(message)


def _parser() -> argparse.ArgumentParser:
  parser = Parser(
    prog='python -m pipelines.build',
    description='Builds a LINAC dataset, or goes on where a build stopped.',
    epilog='Any option of the Beam runner may follow.',
    allow_abbrev=False,
  )
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
    '--seeds',
    metavar='A:B',
    help='build many datasets in one run: seeds A to B - 1, or 7,42, or both '
    'as in 0:10,42',
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
  remote = parser.add_argument_group('workers elsewhere', 'Of other runners.')
  remote.add_argument(
    '--accelerator',
    metavar='HINT',
    help='that the workers that fit have, such as '
    f'{hints.EXAMPLE} (default: none)',
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
  return parser


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


def beam_parser() -> argparse.ArgumentParser:
  """A parser of all of Beam's options."""
  from apache_beam.options.pipeline_options import PipelineOptions

  parser = Parser(add_help=False, allow_abbrev=False)
  for options in PipelineOptions.__subclasses__():
    options._add_argparse_args(parser)
  return parser


def _beam_options(rest: list[str], runner: str | None):
  """Beam's options; all of `rest` must be some.

  Beam itself only warns of those it does not know.
  """
  if not rest and not runner:
    return None  # Importing Beam takes seconds.
  from apache_beam.options.pipeline_options import PipelineOptions

  if is_dask(runner):
    _know_dask_options(runner)
  parser = beam_parser()
  _, unknown = parser.parse_known_args(rest)
  if unknown:
    known = [*_parser()._option_string_actions, *parser._option_string_actions]
    option = unknown[0].partition('=')[0]
    near = difflib.get_close_matches(option, known, 1)
    hint = f' Did you mean {near[0]}?' if near else ''
    raise ValueError(f'unknown option {option}.{hint}')
  return PipelineOptions(rest, runner=runner)


def _know_dask_options(runner: str) -> None:
  """Has Dask's runner register its options; Beam does so for all others."""
  try:
    import apache_beam.runners.dask.dask_runner  # noqa: F401
  except ImportError as error:
    raise ValueError(
      f"runner={runner} needs Dask ({error}): pip install -e '.[dask]'."
    ) from error
