"""Handles Ctrl-C during the imports of a command, which take seconds.

Without this, Python prints a traceback from the library that it is importing.
"""

import os
import signal


def end_at_once() -> None:
  """Makes Ctrl-C end this process with one line; call this before the imports.

  Call `raise_again` after them.
  """
  # A process that a shell started in the background ignores Ctrl-C, and must
  # keep ignoring it.
  if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, _end)


def raise_again() -> None:
  """Makes Ctrl-C raise KeyboardInterrupt again, which `main` catches."""
  if signal.getsignal(signal.SIGINT) is _end:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number, frame) -> None:
  """Ends this process at once; the handler of the signal."""
  del number, frame
  os.write(2, b'\nStopped before anything was begun.\n')
  os._exit(130)
