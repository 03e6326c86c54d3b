"""The file formats of shards.

All that differs between them is here. To add a format, write a subclass of
`FileFormat` and enter it in `FILE_FORMATS`.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Iterable, Iterator

from pipelines.files import array_record, tfrecord


class FileFormat:
  """A format of files of records. A record holds the bytes of one example.

  Attributes:
    reader: The name of the TFDS function that reads the format.
    relative_size: The size of a file divided by the size of its examples,
      approximately.
    url: The address of a page about the format. Metadata give it in place of a
      media type, because neither format has one.
  """

  reader: str
  relative_size: float
  url: str

  def write(
    self, path: pathlib.Path, records: Iterable[bytes]
  ) -> Callable[[], str]:
    """Starts to write a local file that holds the records in order.

    Args:
      path: The path of the file.
      records: The records, all of which are taken before this returns.

    Returns:
      A function that waits until the file is written and returns its SHA-256,
      in hexadecimal.
    """
    raise NotImplementedError

  def read(
    self, path: pathlib.Path, skip: int = 0, take: int | None = None
  ) -> Iterator[bytes]:
    """Reads records of a local file, in order.

    Args:
      path: The path of the file.
      skip: The number of records to leave out at the start of the file.
      take: The number of records to read after these; None reads all the rest.

    Raises:
      OSError: if the file cannot be opened.
      ValueError: if the file is truncated or damaged; the message names it.
    """
    raise NotImplementedError


class TFRecord(FileFormat):
  """TensorFlow's format of records, which `tfds.load` reads."""

  reader = 'tfds.load'
  relative_size = 1
  url = 'https://www.tensorflow.org/tutorials/load_data/tfrecord'
  write = staticmethod(tfrecord.write_records)
  read = staticmethod(tfrecord.read_records)


class ArrayRecord(FileFormat):
  """A compressed format with random access, which `tfds.data_source` reads."""

  reader = 'tfds.data_source'
  relative_size = 0.6
  url = 'https://github.com/google/array_record'

  write = staticmethod(array_record.write_records)

  def read(self, path, skip=0, take=None):
    # Imported here, because commands that open no shard do not need it.
    from array_record.python import array_record_module

    os.stat(path)  # The reader raises no OSError if the file is missing.
    try:
      reader = array_record_module.ArrayRecordReader(str(path))
      stop = reader.num_records() if take is None else skip + take
      for index in range(skip, stop):
        yield reader.read([index])[0]
    except (IndexError, RuntimeError) as error:
      raise ValueError(f'{path} is damaged: {error}') from error


# All formats. A key is the suffix of the files and a value of `--file_format`.
FILE_FORMATS: dict[str, FileFormat] = {
  'tfrecord': TFRecord(),
  'array_record': ArrayRecord(),
}
