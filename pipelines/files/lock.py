"""One build of a config at a time, counting what is left of a dead one.

On disk the lock is an flock on the config's folder: it dies with its holders
and needs no file. A build takes it exclusively, so that it starts alone, then
shares it with its driver and workers, so that nobody else starts before all are
gone. A bucket has no such locks; there it is a lease (`pipelines.files.lease`).
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import pathlib
import time
from collections.abc import Iterator

from pipelines.errors import BuildError, printable
from pipelines.files import lease, storage, strict_json
from pipelines.files.build_process import BUILD_PROCESS_FILE, BuildProcess

# Environment variable that tells a build's processes the locked folders, a line
# each.
FOLDERS = 'LINAC_LOCKED_FOLDERS'
# Seconds that the processes of a dead build get to notice and end.
_PATIENCE = 20


@contextlib.contextmanager
def only_build_in(folder: pathlib.Path) -> Iterator[None]:
  """Keeps others from building the same config in the same place.

  Raises:
    BuildError: naming the build that is at work there.
  """
  if storage.is_remote(folder):
    with lease.hold(folder):
      yield
    return
  handle = _lock(folder)
  try:
    process = dataclasses.asdict(BuildProcess.current())
    storage.write_text(folder / BUILD_PROCESS_FILE, json.dumps(process))
    yield
  finally:
    with contextlib.suppress(OSError):  # What was refused leaves no trace.
      (folder / BUILD_PROCESS_FILE).unlink()
      folder.rmdir()
      folder.parent.rmdir()
    os.close(handle)


def share() -> None:
  """Holds the locks of the build that started this process, until it ends.

  To be called before looking whether that build is still there.

  Raises:
    BlockingIOError: if it is gone and another one begins.
  """
  for folder in os.environ[FOLDERS].split('\n'):
    if not storage.is_remote(storage.path(folder)):
      handle = os.open(folder, os.O_RDONLY)
      fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)


def is_held(folder: pathlib.Path) -> bool:
  """Whether a build, or what is left of one, is at work in a config's folder.

  It tries the lock for a moment, which no build is refused for.
  """
  if storage.is_remote(folder):
    return lease.is_held(folder)
  handle = os.open(folder, os.O_RDONLY)
  try:
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
  except BlockingIOError:
    return True
  finally:
    os.close(handle)
  return False


def describe_build(folder: pathlib.Path) -> str:
  """Whose build it is, such as `process 12 on host`; empty if not known."""
  found = _build_process(folder)
  return f'process {found.pid} on {found.host}' if found else ''


def _lock(folder: pathlib.Path) -> int:
  """The descriptor that holds the lock; waits for the rest of a dead build."""
  end = time.monotonic() + _PATIENCE
  while (handle := _try_to_lock(folder)) is None:
    if process := _build_process(folder):
      raise BuildError(
        f'Another build is at work in {folder}: process {process.pid} on '
        f'{printable(process.host)}, since {printable(process.since)}. Wait for '
        f'it, or stop it with `kill {process.pid}`; what it finished is kept.'
      )
    if time.monotonic() > end:
      raise BuildError(
        f'Another build, or what is left of one, is at work in {folder}. Wait '
        'for it, or end its processes (`pgrep -fa runners.local`); what it '
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


def _build_process(folder: pathlib.Path) -> BuildProcess | None:
  """Whose build it is; None if it is not known, or its process is gone."""
  try:
    process = strict_json.read(folder / BUILD_PROCESS_FILE, BuildProcess)
  except (OSError, ValueError):
    return None
  return None if process.has_ended() else process
