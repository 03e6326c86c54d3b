"""Builds a dataset in a separate process and relays its output.

So the process that asks for a dataset imports neither Beam nor JAX, and the
build imports no modules from the folder of the user's script.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from typing import IO

from linac_config import processes

# An interrupted build is killed if it has not ended after this many seconds.
_GRACE = 60
_ERROR = 'error: '
# The exit statuses of a build that Ctrl-C or another signal has stopped.
_STOPPED = (130, 143, 129, -signal.SIGINT, -signal.SIGTERM, -signal.SIGHUP)
# The number of characters at the end of the output in which a reason is looked
# for.
_TAIL = 10_000


def build(arguments: list[str], unset: tuple[str, ...] = ()) -> None:
  """Runs `linac build` to its end.

  The output of the build goes to `sys.stdout` and `sys.stderr` at once, except
  its error, which is raised. If this process ends, the build ends too.

  Args:
    arguments: The arguments of the command line.
    unset: The environment variables that the build must not inherit.

  Raises:
    ValueError: if the build refuses an option. The message is the build's.
    RuntimeError: if the build failed or could not start. The message is the
      build's.
    KeyboardInterrupt: if the user interrupts this process or the build. The
      build has ended then.
  """
  command, variables = processes.python_module('linac_cli', 'build', *arguments)
  variables[processes.PARENT_PID] = str(os.getpid())
  variables['PYTHONIOENCODING'] = 'utf-8'
  if _is_shown_live():
    variables[processes.REDRAWS] = '1'
  inherited = {k: v for k, v in os.environ.items() if k not in unset}
  child = subprocess.Popen(
    command,
    env=inherited | variables,
    stdin=subprocess.DEVNULL,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    # The terminal sends Ctrl-C only to this process, which passes it on.
    start_new_session=True,
  )
  with child.stdout, child.stderr:
    error, output = _follow(child)
  if child.returncode == 0:
    if error:  # The build succeeded, so the text was no error.
      _Relay(sys.stderr).write(f'{_ERROR}{error}\n'.encode())
    return
  if child.returncode in _STOPPED:
    raise KeyboardInterrupt
  if child.returncode == 2:
    raise ValueError(error or _without_an_error(child, output))
  raise RuntimeError(error or _without_an_error(child, output))


def _is_shown_live() -> bool:
  """Whether a terminal or a notebook shows the standard error at once."""
  # The stream may be closed or replaced by another object.
  with contextlib.suppress(AttributeError, ValueError):
    if sys.stderr.isatty():
      return True
  return 'ipykernel' in sys.modules


def _without_an_error(child: subprocess.Popen, output: str) -> str:
  words = processes.last_words(output) or 'none'
  return (
    f'The build ended with status {child.returncode} and no error message. '
    f'Its last words: {words}\nFinished shards are kept; run the same build '
    'again to continue.'
  )


def _follow(child: subprocess.Popen) -> tuple[str, str]:
  """Relays the output of a child process to its end.

  Returns:
    The error, and the end of the rest of its standard error.
  """
  relays = {
    child.stdout: _Relay(sys.stdout),
    child.stderr: _Relay(sys.stderr, withheld=_ERROR),
  }
  try:
    _relay(child, relays)
  except KeyboardInterrupt:
    child.send_signal(signal.SIGINT)
    _relay(child, relays, time.monotonic() + _GRACE)
    raise
  finally:
    if child.poll() is None:
      child.kill()  # The processes that it has started end with it.
    child.wait()
    for relay in relays.values():
      relay.end()
  return relays[child.stderr].error, relays[child.stderr].tail


def _relay(
  child: subprocess.Popen,
  relays: dict[IO[bytes], _Relay],
  until: float | None = None,
) -> None:
  """Relays output until the child process has ended.

  Args:
    child: The process.
    relays: The relay for each of its pipes.
    until: The time of `time.monotonic` at which to stop anyway.
  """
  with selectors.DefaultSelector() as selector:
    for pipe in relays:
      selector.register(pipe, selectors.EVENT_READ)
    while selector.get_map() and _seconds_left(until) != 0:
      ready = selector.select(timeout=0.5)
      for key, _ in ready:
        if chunk := os.read(key.fd, 2**16):
          relays[key.fileobj].write(chunk)
        else:
          selector.unregister(key.fileobj)
      # The child may have ended while processes that it started still hold its
      # pipes open.
      if not ready and child.poll() is not None:
        return
  with contextlib.suppress(subprocess.TimeoutExpired):
    child.wait(timeout=_seconds_left(until))


def _seconds_left(until: float | None) -> float | None:
  return None if until is None else max(0, until - time.monotonic())


class _Relay:
  """Writes bytes to a text stream at once, but withholds an error.

  Attributes:
    error: The text that was withheld: everything after a mark at the beginning
      of a line.
    tail: The end of the other text.
  """

  def __init__(self, stream, withheld: str | None = None):
    self._stream = stream
    self._mark = withheld
    self._decode = codecs.getincrementaldecoder('utf-8')('replace').decode
    self._line_begins = True
    self._text = ''
    self._is_error = False
    self.error = ''
    self.tail = ''

  def write(self, chunk: bytes) -> None:
    """Writes the next bytes, or withholds them if they are of an error."""
    self._text += self._decode(chunk)
    if self._is_error or not self._mark:
      self._pass_on(len(self._text))
      return
    begin = r'(?:^|(?<=[\r\n]))' if self._line_begins else r'(?<=[\r\n])'
    if found := re.search(begin + re.escape(self._mark), self._text):
      self._pass_on(found.start())
      self._is_error = True
      self._text = self._text.removeprefix(self._mark)
      self._pass_on(len(self._text))
      return
    # The last line waits if it is the start of the mark: the rest of the mark
    # may come with the next bytes.
    last = re.search(begin + r'[^\r\n]*\Z', self._text)
    waits = bool(last and last[0] and self._mark.startswith(last[0]))
    self._pass_on(last.start() if waits else len(self._text))

  def _pass_on(self, length: int) -> None:
    text, self._text = self._text[:length], self._text[length:]
    if self._is_error:
      self.error += text
    elif text:
      self._line_begins = text[-1] in '\r\n'
      # The build writes UTF-8, and the encoding of the stream may lack some.
      encoding = getattr(self._stream, 'encoding', None) or 'utf-8'
      text = text.encode(encoding, 'backslashreplace').decode(encoding)
      self.tail = (self.tail + text)[-_TAIL:]
      # The stream may be closed, a pipe that nobody reads, or on a full disk.
      # Nothing of this may end the build.
      with contextlib.suppress(OSError, ValueError, AttributeError):
        self._stream.write(text)
        self._stream.flush()

  def end(self) -> None:
    """Writes the text that was waiting for more bytes."""
    self._pass_on(len(self._text))
    self.error = self.error.strip()
