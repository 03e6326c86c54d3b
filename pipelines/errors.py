"""Errors a user can mend."""

import re


class BuildError(RuntimeError):
  """A build cannot start or go on; the message says why and what to do."""


class SourceError(BuildError):
  """The source cannot be read, whatever is to be made of it."""


def printable(text: str) -> str:
  """The text, with escapes for what would steer or confuse a terminal.

  Messages quote names that a source or a folder made up.
  """
  return ''.join(
    c if c.isprintable() or c == '\n' else c.encode('unicode_escape').decode()
    for c in text
  )


def reason_of(error: Exception) -> str:
  """The exception that ended a worker's step, out of Beam's report of it."""
  lines = re.findall(
    r'^[\w.]*(?:Error|Exception): .*', str(error), re.MULTILINE
  )
  reason = lines[-1] if lines else f'{type(error).__name__}: {error}'
  return re.sub(r" \[while running '.*", '', reason)
