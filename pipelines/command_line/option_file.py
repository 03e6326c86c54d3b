"""Options of a command from a file: `--config build.toml`.

source = 'cifar10'
seeds = '0:10'
data_dir = '/data'
strict_devices = true
"""

from __future__ import annotations

import argparse
import difflib
import pathlib
import tomllib
from collections.abc import Callable, Iterator

# Options of the command line alone.
_NOT_IN_FILES = ('config', 'help')


def read_options(
  path: str,
  ours: argparse.ArgumentParser,
  others: Callable[[], argparse.ArgumentParser],
) -> list[str]:
  """The arguments that a TOML file stands for; its keys are options' names.

  Args:
    path: of the file.
    ours: parser of this project's options.
    others: makes one of the runner's, which takes seconds.

  Returns:
    Arguments to parse before those of the command line, which so win.

  Raises:
    ValueError: naming the file and the key, if there is no such option, and for
      a file that cannot be read.
  """
  try:
    values = tomllib.loads(pathlib.Path(path).read_text())
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
      raise ValueError(f'config={path}: {key!r} is a table; options are not.')
    arguments += _arguments(key, value, actions[key])
  return arguments


def _by_name(
  parser: argparse.ArgumentParser,
) -> Iterator[tuple[str, argparse.Action]]:
  for text, action in parser._option_string_actions.items():
    if text.startswith('--') and text[2:] not in _NOT_IN_FILES:
      yield text[2:], action


def _arguments(key: str, value, action: argparse.Action) -> list[str]:
  if action.nargs == 0:  # A flag.
    if not isinstance(value, bool):
      raise ValueError(f'{key}={value!r} must be true or false.')
    return [f'--{key}'] if value else []
  if isinstance(value, list):
    if isinstance(action, argparse._AppendAction):
      return [f'--{key}={item}' for item in value]
    value = ','.join(map(str, value))
  return [f'--{key}={value}']
