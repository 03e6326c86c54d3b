"""Functions that all commands of this package share."""

from __future__ import annotations

import argparse
import functools
import json
import logging
import sys
from collections.abc import Callable

from linac_config import entry
from linac_config.errors import CannotFitError


class Parser(argparse.ArgumentParser):
  """A parser that raises ValueError where argparse would print its usage."""

  def __init__(self, prog: str, description: str):
    """Makes a parser that accepts no abbreviated options.

    Args:
      prog: The text with which the user starts the command.
      description: The sentence at the top of the output of `--help`.
    """
    super().__init__(prog=prog, description=description, allow_abbrev=False)

  def error(self, message: str):
    raise ValueError(message)


def add_dataset_options(parser: Parser, dataset: str, split: str) -> None:
  """Adds `--dataset`, `--split` and `--data_dir` to a parser.

  Args:
    parser: The parser of the command.
    dataset: The text of `--help` about the dataset.
    split: The split that the command uses by default.
  """
  parser.add_argument('--dataset', required=True, metavar='NAME', help=dataset)
  parser.add_argument(
    '--split',
    default=split,
    help='the split to use, such as %(default)s (the default) or '
    '%(default)s[:500]',
  )
  parser.add_argument(
    '--data_dir',
    metavar='DIR',
    help="the folder of TFDS's datasets (default: ~/tensorflow_datasets)",
  )


def prints_result(
  compute: Callable[[list[str]], dict],
) -> Callable[[list[str]], int]:
  """Turns a function that computes a result into the `main` of a command.

  `main` prints the result as one line of JSON to standard output. If the
  arguments or a file are wrong, it prints the reason to standard error instead.

  Args:
    compute: A function from the arguments to the result. It raises OSError or
      ValueError if the arguments or a file are wrong, and CannotFitError if
      this process cannot fit images.

  Returns:
    A function from the arguments to the exit status, which is 0 for a success,
    2 for an error, and `entry.stop_status()` if a signal stopped the command,
    such as Ctrl-C.
  """

  @functools.wraps(compute)
  def main(argv: list[str]) -> int:
    # TFDS and Orbax log much that no user of a command needs.
    logging.getLogger().setLevel(logging.ERROR)
    try:
      print(json.dumps(compute(argv), allow_nan=False))
      entry.check_output()
    except (OSError, ValueError, CannotFitError) as error:
      print(f'error: {_printable(str(error))}', file=sys.stderr)
      return 2
    except KeyboardInterrupt:
      print('\nStopped.', file=sys.stderr)
      return entry.stop_status()
    return 0

  return main


def _printable(text: str) -> str:
  """Replaces control characters, with which a file could steer a terminal."""
  return ''.join(
    c if c.isprintable() or c == '\n' else c.encode('unicode_escape').decode()
    for c in text
  )
