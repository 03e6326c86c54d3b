"""Errors that a user can do something about, and the text of messages."""

import re


class BuildError(RuntimeError):
  """A build cannot start or continue; the message says why and what to do."""


class SourceError(BuildError):
  """The source cannot be read, so that no dataset can be made from it."""


def printable(text: str) -> str:
  """Replaces characters that would control or confuse a terminal by escapes.

  Messages quote names from files that somebody else may have written.
  """
  return ''.join(
    c if c.isprintable() or c == '\n' else c.encode('unicode_escape').decode()
    for c in text
  )


def reason_of(error: Exception) -> str:
  """Finds the exception that ended a worker's step in Beam's report of it.

  Args:
    error: The exception that Beam raised. Its text holds the tracebacks of
      several processes.

  Returns:
    The line of the innermost exception.
  """
  lines = re.findall(
    r'^[\w.]*(?:Error|Exception): .*', str(error), re.MULTILINE
  )
  reason = lines[-1] if lines else f'{type(error).__name__}: {error}'
  return re.sub(r" \[while running '.*", '', reason)
