"""Errors a user can mend."""

import re


class BuildError(RuntimeError):
  """A build cannot start or go on; the message says why and what to do."""


def reason_of(error: Exception) -> str:
  """The exception that ended a worker's step, out of Beam's report of it."""
  lines = re.findall(
    r'^[\w.]*(?:Error|Exception): .*', str(error), re.MULTILINE
  )
  reason = lines[-1] if lines else f'{type(error).__name__}: {error}'
  return re.sub(r" \[while running '.*", '', reason)
