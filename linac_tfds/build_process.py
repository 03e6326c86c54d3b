"""Builds a dataset in a process of its own, and relays what that says.

So nothing of Beam or JAX comes into the process that asks for a dataset, and no
module that lies beside its script into the build.
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

# Seconds that an interrupted build has to end in.
_GRACE = 60
_ERROR = 'error: '


def build(arguments: list[str], unset: tuple[str, ...] = ()) -> None:
  """Runs `linac build` to its end.

  What it prints goes to `sys.stdout` and `sys.stderr` as it comes, but for its
  error, which is raised. It does not outlive this process.

  Args:
    arguments: of the command line.
    unset: environment variables that are not for it.

  Raises:
    ValueError: with the build's message, if an option does not fit.
    RuntimeError: likewise, if the build failed or could not start.
    KeyboardInterrupt: after the build has been interrupted, too.
  """
  command, variables = processes.python_module('linac_cli', 'build', *arguments)
  variables[processes.PARENT_PID] = str(os.getpid())
  variables['PYTHONIOENCODING'] = 'utf-8:backslashreplace'
  if _is_shown_live():
    variables[processes.REDRAWS] = '1'
  inherited = {k: v for k, v in os.environ.items() if k not in unset}
  child = subprocess.Popen(
    command,
    env=inherited | variables,
    stdin=subprocess.DEVNULL,
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    # Ctrl-C is for this process, which passes it on.
    start_new_session=True,
  )
  with child.stdout, child.stderr:
    error = _follow(child)
  if child.returncode == 0:
    if error:  # It only looked like one.
      print(f'{_ERROR}{error}', file=sys.stderr)
    return
  if child.returncode in (130, -signal.SIGINT):
    raise KeyboardInterrupt
  if child.returncode == 2:
    raise ValueError(error or _without_a_word(child))
  raise RuntimeError(error or _without_a_word(child))


def _is_shown_live() -> bool:
  """Whether a terminal or a notebook shows what goes to standard error."""
  with contextlib.suppress(AttributeError, ValueError):  # It may be closed.
    if sys.stderr.isatty():
      return True
  return 'ipykernel' in sys.modules


def _without_a_word(child: subprocess.Popen) -> str:
  return (
    f'The build ended with {child.returncode}; what it printed may say why. '
    'Finished shards are kept.'
  )


def _follow(child: subprocess.Popen) -> str:
  """Relays a child's output until it has ended; returns its error."""
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
      child.kill()  # What it has started ends with it.
    child.wait()
    for relay in relays.values():
      relay.end()
  return relays[child.stderr].error


def _relay(
  child: subprocess.Popen,
  relays: dict[IO[bytes], _Relay],
  until: float | None = None,
) -> None:
  """Relays until the child has ended, or until a time of `time.monotonic`."""
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
      # What it has started may hold its pipes.
      if not ready and child.poll() is not None:
        return
  with contextlib.suppress(subprocess.TimeoutExpired):
    child.wait(timeout=_seconds_left(until))


def _seconds_left(until: float | None) -> float | None:
  return None if until is None else max(0, until - time.monotonic())


class _Relay:
  """Writes bytes to a stream of text as they come, but for an error.

  Attributes:
    error: what was withheld: from the line that begins with a mark, to the end.
  """

  def __init__(self, stream, withheld: str | None = None):
    self._stream = stream
    self._mark = withheld
    self._decode = codecs.getincrementaldecoder('utf-8')('replace').decode
    self._line_begins = True
    self._text = ''
    self._is_error = False
    self.error = ''

  def write(self, chunk: bytes) -> None:
    """Takes the next bytes."""
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
    # The start of a line that may yet become the mark's waits.
    last = re.search(begin + r'[^\r\n]*\Z', self._text)
    waits = bool(last and last[0] and self._mark.startswith(last[0]))
    self._pass_on(last.start() if waits else len(self._text))

  def _pass_on(self, length: int) -> None:
    text, self._text = self._text[:length], self._text[length:]
    if self._is_error:
      self.error += text
    elif text:
      self._line_begins = text[-1] in '\r\n'
      self._stream.write(text)
      self._stream.flush()

  def end(self) -> None:
    """Passes on what waits."""
    self._pass_on(len(self._text))
    self.error = self.error.strip()
