"""Servers for a test, in processes that share only the disk with it."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.conftest import REPOSITORY

# A worker on another machine would have no more: Python and this project.
CLEAN = {
  'PATH': f'{pathlib.Path(sys.executable).parent}:/usr/bin:/bin',
  'HOME': os.environ['HOME'],
  'PYTHONPATH': str(REPOSITORY),
}


@contextlib.contextmanager
def serve(port: int, *command) -> Iterator[subprocess.Popen]:
  """Runs a Python module that serves a port; ends it and its children.

  Args:
    port: The port, which the module opens when it is ready.
    *command: The name of the module and its arguments.
  """
  process = subprocess.Popen(
    [sys.executable, '-m', *map(str, command)],
    env=CLEAN,
    cwd='/',
    start_new_session=True,
  )
  try:
    _wait_for(port, process)
    yield process
  finally:
    with contextlib.suppress(ProcessLookupError):
      os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def free_port() -> int:
  """Finds a port that no process uses at the moment."""
  with socket.socket() as server:
    server.bind(('localhost', 0))
    return server.getsockname()[1]


def _wait_for(port: int, process: subprocess.Popen) -> None:
  """Waits until a process serves a port; the test fails after a minute."""
  end = time.monotonic() + 60
  while process.poll() is None and time.monotonic() < end:
    with contextlib.suppress(OSError):
      socket.create_connection(('localhost', port), timeout=1).close()
      return
    os.sched_yield()
  pytest.fail(f'{process.args} does not serve port {port}.')
