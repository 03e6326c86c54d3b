"""The parser of `build`, made from the declared options, and its `--help`."""

from __future__ import annotations

import argparse
import dataclasses
import sys
import types
import typing

from linac_config import KeylessConfig, LinacConfig, config_names, invocation
from linac_config.config import (
  ACTIVATIONS,
  ARITHMETICS,
  KEY_DERIVATIONS,
  PRECISIONS,
)
from pipelines.command_line.command import Command
from pipelines.command_line.console import Parser
from pipelines.plan.settings import ELSEWHERE, Settings
from pipelines.runners.local import devices

_EPILOG = """\
exit status:
  0    all datasets are built
  1    the build failed, or could not start; finished shards are kept
  2    an option or a setting does not fit; the build was not started
  130  Ctrl-C stopped the build, or 143 SIGTERM, or 129 the end of the terminal;
       finished shards are kept

Run the same command again to continue a build that stopped. docs/errors.md
explains the messages and says what to do.
"""
# The options that `--help` lists first.
_COMMON = (
  'help',
  'source',
  'data_dir',
  'seed',
  'seeds',
  'precision',
  'arithmetic',
  'plan',
  'overwrite',
  'config',
  'verbose',
)
_GROUPS = {ELSEWHERE: 'Options for runners other than this machine.'}


class _Help(argparse.Action):
  """The `--help` option: prints this project's options, then Beam's."""

  def __init__(self, option_strings, dest):
    super().__init__(
      option_strings,
      argparse.SUPPRESS,
      nargs=0,
      default=argparse.SUPPRESS,
      help="show this help and, below it, the options of Beam's runners",
    )

  def __call__(self, parser, namespace, values, option_string=None):
    parser.print_help()
    print(f'\nA build may use {devices.describe_limits()} here.')
    # Importing Beam takes seconds, in which one can read this part.
    sys.stdout.flush()
    beam = beam_parser()
    beam._optionals.title = "options of Beam's runners"
    print('\n' + beam.format_help().partition('\n\n')[2], flush=True)
    parser.exit()


def build_parser() -> Parser:
  """Makes the parser of this project's options."""
  parser = Parser(
    prog=invocation.command('build'),
    usage='%(prog)s [OPTION]... [OPTION OF A BEAM RUNNER]...',
    description='Builds LINAC datasets, or continues a build that stopped.',
    epilog=_EPILOG,
    formatter_class=argparse.RawDescriptionHelpFormatter,
    allow_abbrev=False,
    add_help=False,
  )
  parser.add_argument('-h', '--help', action=_Help)
  groups = {'': parser}
  groups |= {
    title: parser.add_argument_group(title, text)
    for title, text in _GROUPS.items()
  }
  _add_options(groups, Command)
  parser.add_argument(
    '--seeds',
    metavar='A:B',
    help='build many datasets in one run: seeds A to B - 1, a list such as '
    '7,42, or both as in 0:10,42; write negative seeds as in --seeds=-3:0',
  )
  parser.add_argument(
    '--config',
    metavar='FILE',
    help='a TOML file of options without their dashes, such as seed = 42; '
    'options on the command line replace those of the file',
  )
  _add_options(groups, Settings)
  _add_transform(parser)
  _list_first(parser, 'common options', _COMMON)
  return parser


def _list_first(parser: Parser, title: str, names: tuple[str, ...]) -> None:
  """Moves some options into a group that `--help` lists first.

  Args:
    parser: The parser.
    title: The heading of the group.
    names: The names of the options, without dashes.
  """
  chosen = [parser._option_string_actions[f'--{name}'] for name in names]
  for group in parser._action_groups:
    group._group_actions = [a for a in group._group_actions if a not in chosen]
  parser.add_argument_group(title)._group_actions = chosen
  parser._action_groups.insert(0, parser._action_groups.pop())


def _add_options(groups: dict, kind: type) -> None:
  """Adds the declared options of a dataclass.

  Args:
    groups: The groups of the parser, by the names that options give.
    kind: The dataclass.
  """
  hints = typing.get_type_hints(kind)
  for field in dataclasses.fields(kind):
    if not (facts := field.metadata):
      continue
    names = (
      ['-v', '--verbose'] if field.name == 'verbose' else [f'--{field.name}']
    )
    details = {'default': field.default, 'help': facts['help']}
    if hints[field.name] is bool:
      details['action'] = 'store_true'
    else:
      details['type'] = _type(hints[field.name])
      details['metavar'] = facts['metavar']
      details['choices'] = facts['choices'] or None
    groups[facts['group']].add_argument(*names, **details)


def _type(hint) -> type:
  """Finds the function that parses an option's text, from its annotation."""
  if isinstance(hint, types.UnionType):
    hint = typing.get_args(hint)[0]
  return _texts if typing.get_origin(hint) is tuple else hint


def _texts(text: str) -> tuple[str, ...]:
  """Parses a list of texts, separated by commas."""
  return tuple(part.strip() for part in text.split(','))


def _add_transform(parser: argparse.ArgumentParser) -> None:
  """Adds an option for each field of `LinacConfig`."""
  group = parser.add_argument_group('transform', 'Fields of LinacConfig.')
  seed = next(f for f in dataclasses.fields(LinacConfig) if f.name == 'seed')
  for field in (seed, *dataclasses.fields(KeylessConfig)):
    group.add_argument(f'--{field.name}', metavar='X', help=_field_help(field))


def _field_help(field: dataclasses.Field) -> str:
  """Writes the help text of a field of `LinacConfig`."""
  choices = {
    'key_derivation': KEY_DERIVATIONS,
    'activation': ACTIVATIONS,
    'precision': PRECISIONS,
    'arithmetic': ARITHMETICS,
    'use_bias': ('True', 'False'),
  }.get(field.name)
  default = config_names.format_field(field.default).replace('_', ',')
  prefix = f'{", ".join(choices)}; ' if choices else ''
  return f'{prefix}default: {default}'


def beam_parser() -> Parser:
  """Makes a parser of the options of all Beam runners."""
  # Importing Beam takes seconds.
  from apache_beam.options.pipeline_options import PipelineOptions

  parser = Parser(add_help=False, allow_abbrev=False)
  for options in PipelineOptions.__subclasses__():
    options._add_argparse_args(parser)
  return parser
