"""One build of a config at a time, counting what is left of a dead one.

The lock is an flock on the config's folder: it dies with its holders and needs
no file. A build takes it exclusively, so that it starts alone, then shares it
with its driver and workers, so that nobody else starts before all are gone.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import fcntl
import json
import os
import pathlib
import platform
import time
from collections.abc import Iterator

import psutil

from pipelines import json_file
from pipelines.errors import BuildError, printable

# Environment variable that tells a build's processes the locked folder.
FOLDER = 'LINAC_LOCKED_FOLDER'
# Says whose build it is; means nothing while nobody holds the lock.
_HOLDER_FILE = 'building.json'
# Seconds that the processes of a dead build get to notice and end.
_PATIENCE = 20


@dataclasses.dataclass(frozen=True)
class _Holder:
  pid: int
  host: str
  since: str


@contextlib.contextmanager
def only_build_in(folder: pathlib.Path) -> Iterator[None]:
  """Keeps others from building the same config in the same place.

  Raises:
    BuildError: naming the build that is at work there.
  """
  handle = _lock(folder)
  try:
    _sign(folder)
    yield
  finally:
    with contextlib.suppress(OSError):  # What was refused leaves no trace.
      (folder / _HOLDER_FILE).unlink()
      folder.rmdir()
      folder.parent.rmdir()
    os.close(handle)


def share() -> None:
  """Holds the lock of the build that started this process, until it ends.

  To be called before looking whether that build is still there.

  Raises:
    BlockingIOError: if it is gone and another one begins.
  """
  handle = os.open(os.environ[FOLDER], os.O_RDONLY)
  fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)


def _lock(folder: pathlib.Path) -> int:
  """The descriptor that holds the lock; waits for the rest of a dead build."""
  end = time.monotonic() + _PATIENCE
  while (handle := _try_to_lock(folder)) is None:
    if holder := _holder(folder):
      raise BuildError(
        f'Another build is at work in {folder}: process {holder.pid} on '
        f'{printable(holder.host)}, since {printable(holder.since)}. Wait for '
        f'it, or stop it with `kill {holder.pid}`; what it finished is kept.'
      )
    if time.monotonic() > end:
      raise BuildError(
        f'Another build, or what is left of one, is at work in {folder}. Wait '
        'for it, or end its processes (`pgrep -fa pipelines.local`); what it '
        'finished is kept.'
      )
    time.sleep(0.1)
  return handle


def _try_to_lock(folder: pathlib.Path) -> int | None:
  with contextlib.ExitStack() as undo:
    # Whoever held it may remove the folder at any moment.
    undo.enter_context(contextlib.suppress(BlockingIOError, FileNotFoundError))
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    undo.callback(os.close, handle)
    # Linux makes the second step without letting anybody in between.
    for mode in (fcntl.LOCK_EX, fcntl.LOCK_SH):
      fcntl.flock(handle, mode | fcntl.LOCK_NB)
    # A third may have made it anew.
    if os.path.samestat(os.fstat(handle), os.stat(folder)):
      undo.pop_all()
      return handle
  return None


def _sign(folder: pathlib.Path) -> None:
  """Writes whose build this is, for those who are refused."""
  now = datetime.datetime.now().astimezone()
  holder = _Holder(os.getpid(), platform.node(), now.isoformat(' ', 'seconds'))
  text = json.dumps(dataclasses.asdict(holder))
  (folder / _HOLDER_FILE).write_text(text)


def _holder(folder: pathlib.Path) -> _Holder | None:
  """Whose build it is; None if it is not known, or its process is gone."""
  try:
    holder = json_file.read(folder / _HOLDER_FILE, _Holder)
    if holder.host == platform.node():
      process = psutil.Process(holder.pid)
      return holder if process.status() != psutil.STATUS_ZOMBIE else None
  except (OSError, ValueError, psutil.NoSuchProcess):
    return None
  return holder
