"""Ctrl-C while the imports of a command take their seconds.

Python would print a traceback out of whatever library it was reading.
"""

import os
import signal


def end_at_once() -> None:
  """Has Ctrl-C end this process with a line; to be called before imports."""
  # A shell has processes of the background ignore it, which is to stay so.
  if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, _end)


def raise_again() -> None:
  """Has Ctrl-C raise KeyboardInterrupt again, once there is who catches it."""
  if signal.getsignal(signal.SIGINT) is _end:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _end(number, frame) -> None:
  del number, frame
  os.write(2, b'\nStopped before anything was begun.\n')
  os._exit(130)
