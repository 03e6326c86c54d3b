"""The two file formats of shards, as files of records."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable, Iterator

from array_record.python import array_record_module

from pipelines.files import tfrecord


def write_records(
  path: pathlib.Path, file_format: str, records: Iterable[bytes]
) -> None:
  """Writes a local file in the format `'tfrecord'` or `'array_record'`."""
  if file_format == 'tfrecord':
    tfrecord.write_records(path, records)
    return
  # One record per group, as TFDS writes them: read at random, one by one.
  writer = array_record_module.ArrayRecordWriter(str(path), 'group_size:1')
  for record in records:
    writer.write(record)
  writer.close()


def read_records(
  path: pathlib.Path, file_format: str, skip: int = 0, take: int | None = None
) -> Iterator[bytes]:
  """Reads `take` records of a local file after the first `skip`, or all.

  Raises:
    OSError: if it cannot be opened.
    ValueError: naming the file, if it is truncated or damaged.
  """
  if file_format == 'tfrecord':
    yield from tfrecord.read_records(path, skip, take)
    return
  os.stat(path)  # Its reader has no error of its own for what is not there.
  try:
    reader = array_record_module.ArrayRecordReader(str(path))
    stop = reader.num_records() if take is None else skip + take
    for index in range(skip, stop):
      yield reader.read([index])[0]
  except (IndexError, RuntimeError) as error:
    raise ValueError(f'{path} is damaged: {error}') from error
