"""One build of a config at a time in a bucket: a lease that has to be renewed.

It tells builds of each other and is no more than that: two at once would do the
same work twice, each shard whole.
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
from pipelines.files.build_process import BUILD_PROCESS_FILE, BuildProcess

# Seconds between two renewals, and without any until a lease has ended.
_RENEWAL = 30
_EXPIRY = 120


@contextlib.contextmanager
def hold(folder: pathlib.Path) -> Iterator[None]:
  """Keeps others from building the same config in the same place.

  Raises:
    BuildError: naming the build that is at work there.
  """
  file, process = folder / BUILD_PROCESS_FILE, BuildProcess.current()
  while not _create(file, process):
    _remove_if_ended(file, process)
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
  """Whether a build is at work in a config's folder."""
  other, age, _ = _look(folder / BUILD_PROCESS_FILE)
  return _lasts(other, age)


def _lasts(other: BuildProcess | None, age: float) -> bool:
  return other is not None and not other.has_ended() and age < _EXPIRY


def _look(file: pathlib.Path) -> tuple[BuildProcess | None, float, str]:
  """Who holds a lease, seconds since it was renewed, and its generation."""
  try:
    info = file.fs.info(str(file))
    other = strict_json.read(file, BuildProcess)
  except FileNotFoundError:
    return None, math.inf, ''
  except ValueError:
    other = None  # Damaged.
  return other, time.time() - info['mtime'].timestamp(), info['generation']


def _create(file: pathlib.Path, process: BuildProcess) -> bool:
  """Whether the lease was free."""
  try:
    file.fs.pipe_file(str(file), _encoded(process), mode='create')
  except FileExistsError:
    # A request whose answer was lost is made again, and finds its own lease.
    return _look(file)[0] == process
  return True


def _remove_if_ended(file: pathlib.Path, process: BuildProcess) -> None:
  """Raises BuildError unless the lease that is there has ended."""
  other, age, generation = _look(file)
  if other != process and _lasts(other, age):
    raise BuildError(
      f'Another build is at work in {file.parent}: process {other.pid} on '
      f'{printable(other.host)}, since {printable(other.since)}. Wait for it '
      f'or stop it; what it finished is kept. If it is dead, its lease ends '
      f'{_EXPIRY - age:.0f} s from now.'
    )
  if other == process or not generation:
    return  # It has just been taken, or given up.
  bucket, key, _ = file.fs.split_path(str(file))
  # This one alone: another build may take over in the same moment.
  condition = {'ifGenerationMatch': generation}
  with contextlib.suppress(FileNotFoundError, FileExistsError):
    file.fs.call('DELETE', 'b/{}/o/{}', bucket, key, **condition)


def _renew(
  file: pathlib.Path, process: BuildProcess, stop: threading.Event
) -> None:
  while not stop.wait(_RENEWAL):
    # What keeps it from being renewed once need not do so for ever.
    with contextlib.suppress(*storage.errors(), ValueError):
      if strict_json.read(file, BuildProcess) == process:
        file.fs.pipe_file(str(file), _encoded(process))


def _encoded(process: BuildProcess) -> bytes:
  return json.dumps(dataclasses.asdict(process)).encode()
