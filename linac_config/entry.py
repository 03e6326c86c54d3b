"""Prepares the process of a command: its signals and its standard streams.

The imports of a command take seconds. `begin_imports` stands before them and
`end_imports` behind them. Whoever imports a command as a module calls neither,
so that the signals and streams of a program of the user's stay as they are.
"""

import errno
import io
import os
import select
import signal
import sys
import warnings

# The signals that stop a command, with the message that Ctrl-C gives. As the
# first process of a container, a command must handle SIGTERM: the system would
# ignore it.
_STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_NOT_BEGUN = b'\nStopped before anything was begun.\n'

_last_stop = signal.SIGINT
_output_error: OSError | None = None


def begin_imports() -> None:
  """Makes signals end this process in one line, and its streams never fail.

  Otherwise Python prints a traceback from the library that it is importing.
  Warnings raise no errors from now on, even if PYTHONWARNINGS says so.
  """
  for number in _STOPS:
    # A process that a shell started in the background ignores Ctrl-C, and one
    # of `nohup` the end of its terminal; both must keep ignoring it.
    if signal.getsignal(number) is not signal.SIG_IGN:
      signal.signal(number, _end)
  for number in range(3):
    try:
      os.fstat(number)
    except OSError:  # It is closed, and a file would get its number.
      os.open(os.devnull, os.O_RDWR)
  # Libraries warn of much. If a warning is raised in their C code, it is lost
  # there, and leaves an error that says something else.
  warnings.filters[:] = [f for f in warnings.filters if f[0] != 'error']
  sys.stdout, sys.stderr = _forgiving(sys.stdout, 1), _forgiving(sys.stderr, 2)


def end_imports() -> None:
  """Makes signals raise KeyboardInterrupt, which the `main` of commands catch.

  `stop_status` is the exit status afterwards.
  """
  for number in _STOPS:
    if signal.getsignal(number) is _end:
      signal.signal(number, _raise)


def stop_status() -> int:
  """The exit status of a command that a signal stopped: 130 after Ctrl-C."""
  return 128 + _last_stop


def check_output() -> None:
  """Checks that standard output took what the command printed.

  A command whose output is its result calls this at its end. It is no error if
  the reader wanted no more, as in `linac status D | head -1`.

  Raises:
    OSError: if a part of the output was lost, for example on a full disk.
  """
  if sys.stdout is not None:
    sys.stdout.flush()
  if _output_error:
    raise OSError(
      _output_error.errno,
      f'standard output was not written: {_output_error.strerror}',
    )


def _end(number: int, frame) -> None:
  """Ends this process at once; the handler of signals during the imports."""
  del frame
  try:
    os.write(2, _NOT_BEGUN)
  finally:
    os._exit(128 + number)


def _raise(number: int, frame) -> None:
  """Raises KeyboardInterrupt; the handler of signals after the imports."""
  global _last_stop
  _last_stop = number
  if number != signal.SIGINT:
    # The end of a terminal is often signalled twice. The second signal must not
    # disturb the end that the first one began.
    for other in _STOPS[1:]:
      signal.signal(other, signal.SIG_IGN)
  signal.default_int_handler(number, frame)


class _Forgiving(io.FileIO):
  """A standard stream that takes everything, even if nobody can read it.

  A reader such as `head` may be gone, a terminal closed, or a disk full. None
  of these may end a build of hours.
  """

  def write(self, data) -> int:
    """Writes data; tells that it is written even if it is lost."""
    try:
      # A stream that does not block may be full for a moment.
      while (count := super().write(data)) is None:
        select.select([], [self], [])
      return count
    except OSError as error:
      if self.fileno() == 1 and error.errno != errno.EPIPE:
        global _output_error
        _output_error = error
      return len(data)


def _forgiving(stream: io.TextIOWrapper | None, number: int):
  """Makes a text stream like a standard stream, which never fails.

  Args:
    stream: The standard stream, or None if it was closed.
    number: Its file descriptor.
  """
  raw = _Forgiving(number, 'wb', closefd=False)
  unbuffered = stream is not None and stream.write_through
  return io.TextIOWrapper(
    raw if unbuffered else io.BufferedWriter(raw),
    encoding=stream.encoding if stream else 'utf-8',
    # The encoding may lack characters, for example of a folder's name.
    errors='backslashreplace',
    line_buffering=bool(stream and stream.line_buffering),
    write_through=unbuffered,
  )
