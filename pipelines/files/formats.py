"""The file formats of shards. Each is described here once.

A format is added by a subclass of `FileFormat` and its entry in `FILE_FORMATS`.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable, Iterator

from pipelines.files import tfrecord


class FileFormat:
  """A format of files of records, each record the bytes of an example.

  Attributes:
    reader: The function of TFDS that reads it.
    relative_size: The bytes of a file over those of its examples, about.
    url: A page about the format, in place of a media type.
  """

  reader: str
  relative_size: float
  url: str

  def write(self, path: pathlib.Path, records: Iterable[bytes]) -> None:
    """Writes a local file."""
    raise NotImplementedError

  def read(
    self, path: pathlib.Path, skip: int = 0, take: int | None = None
  ) -> Iterator[bytes]:
    """Reads `take` records of a local file after the first `skip`, or all.

    Raises:
      OSError: if the file cannot be opened.
      ValueError: naming the file, if it is truncated or damaged.
    """
    raise NotImplementedError


class TFRecord(FileFormat):
  """TensorFlow's format, which `tfds.load` reads."""

  reader = 'tfds.load'
  relative_size = 1
  url = 'https://www.tensorflow.org/tutorials/load_data/tfrecord'
  write = staticmethod(tfrecord.write_records)
  read = staticmethod(tfrecord.read_records)


class ArrayRecord(FileFormat):
  """A compressed format that is read at random, by `tfds.data_source`."""

  reader = 'tfds.data_source'
  relative_size = 0.6
  url = 'https://github.com/google/array_record'

  def write(self, path, records):
    # Imported here, because commands that read no shard do without it.
    from array_record.python import array_record_module

    # One record per group, as TFDS writes them: each is read alone.
    writer = array_record_module.ArrayRecordWriter(str(path), 'group_size:1')
    for record in records:
      writer.write(record)
    writer.close()

  def read(self, path, skip=0, take=None):
    from array_record.python import array_record_module

    os.stat(path)  # The reader has no error of its own for a missing file.
    try:
      reader = array_record_module.ArrayRecordReader(str(path))
      stop = reader.num_records() if take is None else skip + take
      for index in range(skip, stop):
        yield reader.read([index])[0]
    except (IndexError, RuntimeError) as error:
      raise ValueError(f'{path} is damaged: {error}') from error


# By the suffix of their files, which is also the value of `--file_format`.
FILE_FORMATS: dict[str, FileFormat] = {
  'tfrecord': TFRecord(),
  'array_record': ArrayRecord(),
}
