"""Writes ArrayRecord files, each in a process of its own.

The library holds Python's global lock while it compresses a record, which takes
4 ms, so all threads of a worker would wait for it. A process that writes a file
imports nothing else, and starts in a moment. It is run as `python -m
pipelines.files.array_record PATH`.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import os
import pathlib
import struct
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import IO

from linac_config import processes
from pipelines.files import storage

# The most bytes of a file that wait in memory for the process that writes it.
# The default shards have half of it in float32.
_MOST_BYTES = 2**28
_LENGTH = struct.Struct('<Q')


def write_records(
  path: pathlib.Path, records: Iterable[bytes]
) -> Callable[[], str]:
  """Starts to write a file that holds the records in order.

  On a single core, or if the file is large, this process writes it.

  Args:
    path: The path of the file.
    records: The records, all of which are taken before this returns.

  Returns:
    A function that waits until the file is written and returns its SHA-256. It
    raises OSError if the file cannot be written.
  """
  records = iter(records)
  waiting = list(_first(records)) if processes.num_cores() > 1 else []
  following = next(records, None)
  if waiting and following is None:
    return _threads().submit(_write_elsewhere, path, waiting).result
  rest = [] if following is None else itertools.chain([following], records)
  return _write(path, itertools.chain(waiting, rest))


def _first(records: Iterator[bytes]) -> Iterator[bytes]:
  """Yields records until they have `_MOST_BYTES`."""
  size = 0
  while size < _MOST_BYTES and (record := next(records, None)) is not None:
    size += len(record)
    yield record


@functools.cache
def _threads() -> ThreadPoolExecutor:
  """Threads that each feed one process at a time."""
  return ThreadPoolExecutor(processes.num_cores())


def _write(path: pathlib.Path, records: Iterable[bytes]) -> Callable[[], str]:
  """Writes a file in this process."""
  # Imported here, because commands that open no shard do not need it.
  from array_record.python import array_record_module

  # TFDS, too, writes one record per group: each can be read alone.
  writer = array_record_module.ArrayRecordWriter(str(path), 'group_size:1')
  for record in records:
    writer.write(record)
  writer.close()
  return functools.partial(storage.file_sha256, path)


def _write_elsewhere(path: pathlib.Path, records: list[bytes]) -> str:
  """Writes a file in another process; returns its SHA-256."""
  command, imports = processes.python_module(__name__, path)
  pipe = subprocess.PIPE
  with subprocess.Popen(
    command, stdin=pipe, stdout=pipe, stderr=pipe, env=os.environ | imports
  ) as process:
    with contextlib.suppress(BrokenPipeError):  # Its status says why.
      for record in records:
        process.stdin.write(_LENGTH.pack(len(record)))
        process.stdin.write(record)
    output, errors = process.communicate()
  if process.returncode:
    reason = errors.decode(errors='replace').strip().rpartition('\n')[2]
    raise OSError(f'{path} cannot be written: {reason or process.returncode}')
  return output.decode().strip()


def _received(pipe: IO[bytes]) -> Iterator[bytes]:
  """Yields the records that come through a pipe, until its end."""
  while length := pipe.read(_LENGTH.size):
    yield pipe.read(*_LENGTH.unpack(length))


if __name__ == '__main__':
  print(_write(pathlib.Path(sys.argv[1]), _received(sys.stdin.buffer))())
