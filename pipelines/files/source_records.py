"""Reads the records of a prepared TFDS dataset, without TensorFlow."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator

import tensorflow_datasets as tfds
from tensorflow_datasets.proto import tf_example_pb2

from pipelines.files import storage
from pipelines.files.formats import FILE_FORMATS


def read_records(
  builder: tfds.core.DatasetBuilder,
  directory: str,
  split: str,
  start: int,
  stop: int,
) -> Iterator[bytes]:
  """Reads records `[start, stop)` of a split, in order.

  Args:
    builder: The builder of the prepared dataset.
    directory: The folder of the prepared dataset.
    split: The split.
    start: The first record.
    stop: The record after the last one.

  Raises:
    ValueError: naming the folder, if its metadata lead out of it.
  """
  part = tfds.core.ReadInstruction(split, from_=start, to=stop, unit='abs')
  files = builder.info.splits[part].file_instructions
  for file in files:
    # The metadata have a template for file names.
    if os.path.dirname(file.filename) != directory:
      raise ValueError(
        f'{directory} has data outside itself, in {file.filename}.'
      )
  file_format = FILE_FORMATS[builder.info.file_format.file_suffix]
  for file in files:
    # Most sources have one file, of which every task reads a slice.
    with storage.kept_copy(storage.path(file.filename)) as path:
      yield from file_format.read(path, file.skip, file.take)


def record_digest(record: bytes) -> bytes:
  """The SHA-256 of what makes an example: its image, label and id as stored.

  How the record is laid out, and what else is in it, makes no difference.
  """
  try:
    features = tf_example_pb2.Example.FromString(record).features.feature
    parts = [
      features['image'].bytes_list.value[0],
      str(features['label'].int64_list.value[0]).encode(),
      # Most sources have no ids.
      *features['id'].bytes_list.value,
    ]
  except Exception:  # The parser has errors of its own.
    parts = [b'no labelled image', record]
  digest = hashlib.sha256()
  for part in parts:
    digest.update(len(part).to_bytes(8, 'little'))
    digest.update(part)
  return digest.digest()


def shard_digest(examples: Iterable[bytes]) -> str:
  """A hash of a shard's examples, 16 hexadecimal digits, from their own."""
  return hashlib.sha256(b''.join(examples)).hexdigest()[:16]
