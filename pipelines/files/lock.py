"""The lock that keeps a config's folder to one build: an `flock` on disk.

In a bucket, which has no such locks, the functions here use a lease instead: a
file that the build renews (`pipelines.files.lease`).

The operating system frees the lock when the last process that holds it ends,
so that a killed build leaves none behind. A build first takes the lock
exclusively, so that it starts alone. Then it shares the lock with its driver
and workers, so that no other build starts before all of them have ended.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import pathlib
import sys
import time
from collections.abc import Iterator

from pipelines.errors import BuildError, printable
from pipelines.files import lease, listing, storage, strict_json
from pipelines.files.build_process import (
  BUILD_PROCESS_FILE,
  BuildProcess,
  tell_waiting,
)

# Seconds that the workers of a dead build get to notice it and end.
_PATIENCE = 20


@contextlib.contextmanager
def only_build_in(folder: pathlib.Path, wait: bool = False) -> Iterator[None]:
  """Keeps other builds out of a config's folder while the block runs.

  Args:
    folder: The config's folder, on disk or in a bucket. On disk it is created
      if it is missing, and removed at the end if it is empty.
    wait: Whether to wait until another build there has ended, however it ends.

  Raises:
    BuildError: if another build is at work there, and this one does not wait;
      the message names its process, if it is known.
  """
  if storage.is_remote(folder):
    with lease.hold(folder, wait):
      yield
    return
  handle = _lock(folder, wait)
  try:
    for path in listing.entries(folder):
      if storage.final_name(path) != path.name:  # A killed build left it.
        storage.remove(path)
    process = dataclasses.asdict(BuildProcess.current())
    storage.write_text(
      folder / BUILD_PROCESS_FILE, json.dumps(process, allow_nan=False)
    )
    yield
  finally:
    # A build that was refused leaves no empty folders. Others are not removed.
    with contextlib.suppress(OSError):
      (folder / BUILD_PROCESS_FILE).unlink()
      folder.rmdir()
      folder.parent.rmdir()
    os.close(handle)


@contextlib.contextmanager
def alone_in(folder: pathlib.Path, what: str) -> Iterator[None]:
  """Makes processes run a block one after the other.

  Args:
    folder: The folder whose lock they take. It is created if it is missing. In
      a bucket there is no such lock, and the block runs at once.
    what: The block's work, for the line that says for whom this process waits,
      such as `'prepares the source'`.
  """
  if storage.is_remote(folder):
    yield
    return
  folder.mkdir(parents=True, exist_ok=True)
  handle = os.open(folder, os.O_RDONLY)
  try:
    try:
      fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
      print(f'Waiting for another process, which {what}.', file=sys.stderr)
      fcntl.flock(handle, fcntl.LOCK_EX)
    yield
  finally:
    os.close(handle)


def share(folders: list[str]) -> None:
  """Shares the locks of the build that started this process, until it ends.

  Drivers and workers call this as soon as they know the folders, and only then
  check that their build is still running. Leases in buckets are not shared.

  Args:
    folders: The configs' folders that the build has locked.

  Raises:
    BlockingIOError: if that build has ended and another one is starting.
  """
  for folder in folders:
    if not storage.is_remote(storage.path(folder)):
      handle = os.open(folder, os.O_RDONLY)
      fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)


def is_held(folder: pathlib.Path) -> bool:
  """Whether a build, or a worker of a dead one, works in a config's folder.

  On disk this takes the lock for a moment. No build fails because of that: a
  build that finds the folder locked tries again.
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
  """The process that builds in a config's folder, such as `process 12 on host`.

  It is empty if that process is not known.
  """
  found = _build_process(folder)
  return f'process {found.pid} on {found.host}' if found else ''


def _lock(folder: pathlib.Path, wait: bool) -> int:
  """Takes the lock, and waits a while for the workers of a dead build to end.

  Args:
    folder: The folder.
    wait: Whether to wait for another build, too.

  Returns:
    The file descriptor that holds the lock.

  Raises:
    BuildError: if a worker of a dead build has the lock, or another build and
      this one does not wait.
  """
  end, waits_for = time.monotonic() + _PATIENCE, None
  while (handle := _try_to_lock(folder)) is None:
    if process := _build_process(folder):
      if not wait:
        raise BuildError(
          f'Another build is at work in {folder}: process {process.pid} on '
          f'{printable(process.host)}, since {printable(process.since)}. Wait '
          f'for it with --wait, or stop it with `kill {process.pid}`; what it '
          'finished is kept.'
        )
      if process != waits_for:
        tell_waiting(process, folder)
      end, waits_for = time.monotonic() + _PATIENCE, process
    elif time.monotonic() > end:
      raise BuildError(
        f'Another build, or what is left of one, is at work in {folder}. Wait '
        'for it, or end its processes, which `pgrep -fa runners.local` lists; '
        'what it finished is kept.'
      )
    time.sleep(0.1)
  return handle


def _try_to_lock(folder: pathlib.Path) -> int | None:
  """The file descriptor that holds the lock, or None if others have it."""
  with contextlib.ExitStack() as undo:
    # The process that had the lock may remove the folder at any moment.
    undo.enter_context(contextlib.suppress(BlockingIOError, FileNotFoundError))
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    undo.callback(os.close, handle)
    # On Linux no other process can take the lock between these two steps, from
    # exclusive to shared.
    for mode in (fcntl.LOCK_EX, fcntl.LOCK_SH):
      fcntl.flock(handle, mode | fcntl.LOCK_NB)
    # Another process may have removed the folder and made it anew. Then this
    # lock is on the old folder and keeps nobody out.
    if os.path.samestat(os.fstat(handle), os.stat(folder)):
      undo.pop_all()
      return handle
  return None


def _build_process(folder: pathlib.Path) -> BuildProcess | None:
  """The process that builds in a folder; None if it is unknown or has ended."""
  try:
    process = strict_json.read(folder / BUILD_PROCESS_FILE, BuildProcess)
  except (OSError, ValueError):
    return None
  return None if process.has_ended() else process
