"""Reads the options of a command from a file: `--config build.toml`.

The keys are the names of options, without dashes:

source = 'cifar10'
seeds = '0:10'
data_dir = '/data'
check_hashes = true
"""

from __future__ import annotations

import argparse
import difflib
import pathlib
import tomllib
from collections.abc import Callable, Iterator

from linac_config import paths

# These options make sense on the command line only.
_NOT_IN_FILES = ('config', 'help')


def read_options(
  path: str,
  ours: argparse.ArgumentParser,
  others: Callable[[], argparse.ArgumentParser],
) -> list[str]:
  """Reads the arguments that a TOML file stands for.

  Args:
    path: The path of the file.
    ours: The parser of this project's options.
    others: A function that makes the parser of the runners' options. It takes
      seconds, so it is called only for a key that `ours` does not know.

  Returns:
    The arguments. Parse them before those of the command line, so that an
    option of the command line replaces the same one of the file.

  Raises:
    ValueError: if the file cannot be read, or if there is no option of a key's
      name; the message names the file and the key.
  """
  try:
    values = tomllib.loads(
      pathlib.Path(paths.absolute(path)).read_text(encoding='utf-8')
    )
  except (OSError, ValueError) as error:
    raise ValueError(f'config={path} cannot be read: {error}') from error
  actions = dict(_by_name(ours))
  if not values.keys() <= actions.keys():
    actions = dict(_by_name(others())) | actions
  arguments = []
  for key, value in values.items():
    if key not in actions:
      near = difflib.get_close_matches(key, actions, 1)
      hint = f' Did you mean {near[0]}?' if near else ''
      raise ValueError(f'config={path}: {key!r} is no option.{hint}')
    if isinstance(value, dict):
      raise ValueError(
        f'config={path}: {key!r} is a table. An option has a single value or a '
        'list; write options at the top of the file.'
      )
    arguments += _arguments(key, value, actions[key])
  return arguments


def _by_name(
  parser: argparse.ArgumentParser,
) -> Iterator[tuple[str, argparse.Action]]:
  """Yields the name and the action of each option that a file may hold."""
  for text, action in parser._option_string_actions.items():
    if text.startswith('--') and text[2:] not in _NOT_IN_FILES:
      yield text[2:], action


def _arguments(key: str, value, action: argparse.Action) -> list[str]:
  """Turns a key and its value into command line arguments."""
  if action.nargs == 0:  # A flag.
    if not isinstance(value, bool):
      raise ValueError(f'{key}={value!r} must be true or false.')
    return [f'--{key}'] if value else []
  if isinstance(value, list):
    if isinstance(action, argparse._AppendAction):
      return [f'--{key}={item}' for item in value]
    value = ','.join(map(str, value))
  return [f'--{key}={value}']
