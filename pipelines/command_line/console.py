"""The terminal side of all commands: logs, and the parser of options."""

from __future__ import annotations

import argparse
import difflib
import functools
import io
import logging
import os
import sys
from collections.abc import Callable, Iterable

from tqdm import tqdm

from linac_config import entry
from linac_config.errors import CannotFitError
from pipelines.errors import BuildError, printable
from pipelines.files import storage


def set_up() -> None:
  """Prepares this process for a command.

  Libraries are silenced, TFDS uses this project's client for buckets, and what
  the terminal's encoding lacks is printed as an escape.

  Call this before a dataset is opened.
  """
  # Another object, which has no encoding, may have replaced the stream.
  if isinstance(sys.stdout, io.TextIOWrapper):
    sys.stdout.reconfigure(errors='backslashreplace')
  # Otherwise TFDS opens buckets with TensorFlow, whose import takes seconds.
  os.environ.setdefault('EPATH_USE_TF', 'false')
  # Beam and TFDS log warnings when they are imported.
  logging.getLogger().setLevel(logging.ERROR)


def be_verbose() -> None:
  """Shows the logs of Beam, TFDS and the processes of a local build."""
  handler = _AboveTheBar() if sys.stderr.isatty() else logging.StreamHandler()
  logging.basicConfig(
    level=logging.INFO,
    format='%(asctime)s %(levelname)s %(name)s: %(message)s',
    handlers=[handler],
    force=True,
  )


class _AboveTheBar(logging.Handler):
  """A log handler that prints lines above a progress bar."""

  def emit(self, record: logging.LogRecord) -> None:
    tqdm.write(self.format(record), file=sys.stderr)


def dataset_command(stopped: str = 'Stopped.'):
  """Decorates the `main` of a command that looks at a dataset.

  The command prints an error in one line and returns 2. After Ctrl-C or another
  signal that stops it, it prints `stopped` and returns `entry.stop_status()`.
  """

  def decorate(main: Callable[[list[str]], int]) -> Callable[[list[str]], int]:
    @functools.wraps(main)
    def run(argv: list[str]) -> int:
      set_up()
      try:
        status = main(argv)
        entry.check_output()
        return status
      except (
        *storage.errors(),
        ValueError,
        BuildError,
        CannotFitError,
      ) as error:
        print(f'error: {printable(str(error))}', file=sys.stderr)
        return 2
      except KeyboardInterrupt:
        print(f'\n{stopped}', file=sys.stderr)
        return entry.stop_status()

    return run

  return decorate


class Parser(argparse.ArgumentParser):
  """A parser that raises its errors as ValueError.

  Argparse would print them after a page of usage and exit.
  """

  def error(self, message: str):
    """Raises the error that argparse would print."""
    raise ValueError(message)

  def parse_args(self, args=None, namespace=None):
    """Parses arguments; suggests a known option in place of an unknown one.

    Raises:
      ValueError: if an option is unknown, or if its value does not fit.
    """
    found, unknown = self.parse_known_args(args, namespace)
    if unknown:
      raise unknown_option(unknown[0], self._option_string_actions)
    return found


def unknown_option(option: str, known: Iterable[str]) -> ValueError:
  """Makes the error for an unknown option.

  Args:
    option: The option as it was typed, with or without a value.
    known: The known options; the one that is most like `option` is suggested.
  """
  option = option.partition('=')[0]
  near = difflib.get_close_matches(option, known, 1)
  hint = f' Did you mean {near[0]}?' if near else ''
  return ValueError(f'unknown option {option}.{hint}')
