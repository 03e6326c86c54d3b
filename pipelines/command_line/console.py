"""What the command lines of this package share."""

from __future__ import annotations

import argparse
import difflib
import logging
import os
import sys
from collections.abc import Iterable

from tqdm import tqdm


def set_up() -> None:
  """Keeps libraries quiet and on one client for buckets.

  To be called before a dataset is opened.
  """
  # TFDS then uses the client that this project uses, not TensorFlow's, which
  # takes seconds to import.
  os.environ.setdefault('EPATH_USE_TF', 'false')
  # Beam and TFDS warn on being imported.
  logging.getLogger().setLevel(logging.ERROR)


def be_verbose() -> None:
  """Shows what Beam, TFDS and the processes of a local build log."""
  handler = _AboveTheBar() if sys.stderr.isatty() else logging.StreamHandler()
  logging.basicConfig(
    level=logging.INFO,
    format='%(asctime)s %(levelname)s %(name)s: %(message)s',
    handlers=[handler],
    force=True,
  )


class _AboveTheBar(logging.Handler):
  """Prints lines without breaking a progress bar."""

  def emit(self, record: logging.LogRecord) -> None:
    tqdm.write(self.format(record), file=sys.stderr)


class Parser(argparse.ArgumentParser):
  """Raises what argparse would print with a page of usage."""

  def error(self, message: str):
    raise ValueError(message)

  def parse_args(self, args=None, namespace=None):
    """As argparse's, with a suggestion for what is unknown."""
    found, unknown = self.parse_known_args(args, namespace)
    if unknown:
      raise unknown_option(unknown[0], self._option_string_actions)
    return found


def unknown_option(option: str, known: Iterable[str]) -> ValueError:
  """An error that names the option and the known one that is most like it."""
  option = option.partition('=')[0]
  near = difflib.get_close_matches(option, known, 1)
  hint = f' Did you mean {near[0]}?' if near else ''
  return ValueError(f'unknown option {option}.{hint}')
