"""Parses the command line of `build`."""

from __future__ import annotations

import argparse
import dataclasses
import os

from linac_config import KeylessConfig, LinacConfig, config_names
from pipelines.command_line import option_file, seed_ranges
from pipelines.command_line.arguments import beam_parser, build_parser
from pipelines.command_line.command import DEFAULT_SEED, Command
from pipelines.command_line.console import unknown_option
from pipelines.plan.private_key import ENVIRONMENT
from pipelines.plan.settings import Settings
from pipelines.runners.find_runner import find_runner

# If one of these options is on the command line, the options beside it are not
# taken from a file, since they name other keys to build with.
_KEYS = {
  'seed': ('seeds', 'config_name', 'private_key_file'),
  'seeds': ('seed', 'config_name', 'private_key_file'),
  'config_name': ('seed', 'seeds'),
}


def parse(argv: list[str]) -> Command:
  """Parses and checks the whole command line.

  Args:
    argv: The arguments, without the name of the program.

  Raises:
    ValueError: if an option is unknown or its value does not fit; the message
      names both.
  """
  args, rest = _parse_with_file(argv)
  if args.config == '':
    raise ValueError('config is empty; is a shell variable not set?')
  if args.config_name is None and ENVIRONMENT in os.environ:
    raise ValueError(
      f'{ENVIRONMENT} is set: pass --config_name to build with it, or unset it.'
    )
  fields = {
    field.name: config_names.parse_field(field.name, text)
    for field in dataclasses.fields(LinacConfig)
    if (text := getattr(args, field.name)) is not None
  }
  seeds = _seeds(args, fields.pop('seed', None))
  command = Command(
    **_values(Command, args),
    seeds=seeds,
    transform=KeylessConfig(**fields),
    settings=Settings(**_values(Settings, args)),
    beam_flags=tuple(rest),
  )
  _ = command.configs  # Raises if a config cannot have a name.
  _check_beam_flags(command)
  return command


def _values(kind: type, args: argparse.Namespace) -> dict:
  """The parsed values of the declared options of a dataclass."""
  return {
    f.name: getattr(args, f.name)
    for f in dataclasses.fields(kind)
    if f.metadata
  }


def _parse_with_file(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
  """Parses the command line, together with the file of `--config`.

  Returns:
    This project's options, and the arguments that are not among them.
  """
  parser = build_parser()
  args, rest = parser.parse_known_args(argv)
  if not args.config:
    return args, rest
  first = option_file.read_options(args.config, parser, beam_parser)
  for name, others in _KEYS.items():
    if getattr(args, name) is not None:
      replaced = {f'--{other}' for other in others}
      first = [text for text in first if text.partition('=')[0] not in replaced]
  return parser.parse_known_args(first + argv)


def _seeds(args: argparse.Namespace, seed: int | None) -> tuple[int, ...]:
  """The seeds of the datasets, or none if they have a private key.

  Args:
    args: The parsed options.
    seed: The value of `--seed`, or None if it was not given.

  Raises:
    ValueError: if more than one option says which keys to build with.
  """
  if args.config_name is not None:
    if seed is not None:
      raise ValueError(
        f'config_name={args.config_name!r} has a private key and no seed; '
        'leave out seed.'
      )
    if args.seeds is not None:
      raise ValueError(
        f'Pass either seeds={args.seeds!r} or config_name, not both.'
      )
    return ()
  if args.seeds is None:
    return (DEFAULT_SEED if seed is None else seed,)
  if seed is not None:
    raise ValueError(f'Pass either seeds={args.seeds!r} or seed, not both.')
  return tuple(seed_ranges.parse(args.seeds))


def _check_beam_flags(command: Command) -> None:
  """Raises ValueError for an unknown option; Beam itself would only warn."""
  if not command.beam_flags and not command.runner:
    return  # There is nothing to check, and importing Beam takes seconds.
  find_runner(command.runner).register_options()
  parser = beam_parser()
  _, unknown = parser.parse_known_args(list(command.beam_flags))
  if unknown:
    ours = build_parser()._option_string_actions
    raise unknown_option(unknown[0], [*ours, *parser._option_string_actions])
