"""What the command lines of this package share."""

from __future__ import annotations

import argparse
import json
import logging
import sys


class Parser(argparse.ArgumentParser):
  """Raises what argparse would print with a page of usage."""

  def __init__(self, module: str, description: str):
    super().__init__(
      prog=f'python -m classifiers.{module}',
      description=description,
      allow_abbrev=False,
    )

  def error(self, message: str):
    raise ValueError(message)


def run(main, argv: list[str]) -> int:
  """Calls `main(argv)`; prints the JSON line it returns, or why there is none.

  Returns:
    The exit status: 0, 2 for bad arguments or files, 130 when interrupted.
  """
  logging.getLogger().setLevel(logging.ERROR)  # TFDS and Orbax say a lot.
  try:
    print(json.dumps(main(argv)))
  except (OSError, ValueError) as error:
    print(f'error: {_printable(str(error))}', file=sys.stderr)
    return 2
  except KeyboardInterrupt:
    print('\nStopped.', file=sys.stderr)
    return 130
  return 0


def _printable(text: str) -> str:
  # Messages quote names out of files, which must not steer a terminal.
  return ''.join(
    c if c.isprintable() or c == '\n' else c.encode('unicode_escape').decode()
    for c in text
  )
