"""The lease: a file in a bucket that a build renews to keep others out.

A bucket has no file locks such as a disk has (`pipelines.files.lock`). So a
build creates `building.json` in the config's folder and renews it while it
runs. Two minutes after the last renewal, the lease has ended.

The lease only tells builds of each other. If two builds ran at once all the
same, they would do the same work twice, but every shard would be sound.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import math
import pathlib
import threading
import time
from collections.abc import Iterator

from pipelines.errors import BuildError, printable
from pipelines.files import storage, strict_json
from pipelines.files.build_process import (
  BUILD_PROCESS_FILE,
  BuildProcess,
  tell_waiting,
)

# Seconds between two renewals, and from the last renewal to the lease's end.
_RENEWAL = 30
_EXPIRY = 120
# Seconds between two looks at a lease by a process that waits for it.
_SECONDS_BETWEEN_LOOKS = 10


@contextlib.contextmanager
def hold(folder: pathlib.Path, wait: bool = False) -> Iterator[None]:
  """Holds the lease of a config's folder while the block runs.

  Args:
    folder: The config's folder, in a bucket.
    wait: Whether to wait until another build there has ended.

  Raises:
    BuildError: if another build is at work there, and this one does not wait;
      the message names its process.
  """
  file, process = folder / BUILD_PROCESS_FILE, BuildProcess.current()
  waits_for = None
  while not _create(file, process):
    other = _remove_if_ended(file, process, wait)
    if other and other != waits_for:
      tell_waiting(other, folder)
    waits_for = other
    if other:
      time.sleep(_SECONDS_BETWEEN_LOOKS)
  stop = threading.Event()
  keeper = threading.Thread(
    target=_renew, args=(file, process, stop), name='lease', daemon=True
  )
  keeper.start()
  try:
    yield
  finally:
    stop.set()
    keeper.join()
    with contextlib.suppress(*storage.errors(), ValueError):
      if strict_json.read(file, BuildProcess) == process:
        file.unlink()


def is_held(folder: pathlib.Path) -> bool:
  """Whether a build holds the lease of a config's folder."""
  other, age, _ = _look(folder / BUILD_PROCESS_FILE)
  return _lasts(other, age)


def _lasts(other: BuildProcess | None, age: float) -> bool:
  """Whether a lease, last renewed `age` seconds ago, has not ended."""
  return other is not None and not other.has_ended() and age < _EXPIRY


def _look(file: pathlib.Path) -> tuple[BuildProcess | None, float, str]:
  """Reads a lease.

  Returns:
    The process that holds it, or None if there is no lease or it is damaged;
    the seconds since it was renewed; and its generation, which is the bucket's
    number for this version of the file, or '' if there is no lease.
  """
  try:
    info = file.fs.info(str(file))
    other = strict_json.read(file, BuildProcess)
  except FileNotFoundError:
    return None, math.inf, ''
  except ValueError:
    other = None  # The lease is damaged.
  return other, time.time() - info['mtime'].timestamp(), info['generation']


def _create(file: pathlib.Path, process: BuildProcess) -> bool:
  """Takes the lease if it is free, and returns whether this process has it."""
  try:
    file.fs.pipe_file(str(file), _encoded(process), mode='create')
  except FileExistsError:
    # The client repeats a request whose answer was lost. It then finds the
    # lease that the first request created.
    return _look(file)[0] == process
  return True


def _remove_if_ended(
  file: pathlib.Path, process: BuildProcess, wait: bool
) -> BuildProcess | None:
  """Removes another process's lease if it has ended.

  Returns:
    The other process if its lease has not ended, and this one waits.

  Raises:
    BuildError: if it has not ended, and this process does not wait.
  """
  other, age, generation = _look(file)
  if other != process and _lasts(other, age):
    if wait:
      return other
    raise BuildError(
      f'Another build is at work in {file.parent}: process {other.pid} on '
      f'{printable(other.host)}, since {printable(other.since)}. Wait for it '
      'with --wait, or stop it; what it finished is kept. If it is dead, its '
      f'lease ends {_EXPIRY - age:.0f} s from now.'
    )
  if other == process or not generation:
    return None  # This process got the lease, or the other gave it up.
  bucket, key, _ = file.fs.split_path(str(file))
  # Only this generation is removed, because another build may take the lease in
  # the same moment.
  condition = {'ifGenerationMatch': generation}
  with contextlib.suppress(FileNotFoundError, FileExistsError):
    file.fs.call('DELETE', 'b/{}/o/{}', bucket, key, **condition)
  return None


def _renew(
  file: pathlib.Path, process: BuildProcess, stop: threading.Event
) -> None:
  """Renews the lease until `stop` is set."""
  while not stop.wait(_RENEWAL):
    # If a renewal fails, the next one may succeed.
    with contextlib.suppress(*storage.errors(), ValueError):
      if strict_json.read(file, BuildProcess) == process:
        file.fs.pipe_file(str(file), _encoded(process))


def _encoded(process: BuildProcess) -> bytes:
  return json.dumps(dataclasses.asdict(process), allow_nan=False).encode()
