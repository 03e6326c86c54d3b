"""Reads and hashes the records of a source, without TensorFlow.

A source is a prepared TFDS dataset whose images are fitted.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
import warnings
from collections.abc import Iterable, Iterator

import tensorflow_datasets as tfds
from PIL import Image
from tensorflow_datasets.proto import tf_example_pb2

from linac_config.errors import is_about_contents
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
    split: The name of the split.
    start: The first record.
    stop: The record after the last one.

  Raises:
    OSError: if a file cannot be read.
    ValueError: if a file is damaged, or if the metadata name a file outside of
      the folder.
  """
  part = tfds.core.ReadInstruction(split, from_=start, to=stop, unit='abs')
  files = builder.info.splits[part].file_instructions
  for file in files:
    # The metadata hold a template for file names, which may be anything in a
    # dataset that somebody else prepared.
    if os.path.dirname(file.filename) != directory:
      raise ValueError(
        f'The metadata of {directory} refer to data outside itself: '
        f'{file.filename}. Prepare this source again.'
      )
  file_format = FILE_FORMATS[builder.info.file_format.file_suffix]
  for file in files:
    # Most splits are one file, and every task reads a part of it: it is kept
    # from one call to the next.
    with storage.kept_copy(storage.path(file.filename)) as path:
      yield from file_format.read(path, file.skip, file.take)


def check_image_size(
  record: bytes, shape: tuple[int, int, int], feature: str = 'image'
) -> None:
  """Checks that an example's image has no more pixels than it should have.

  Only the header of the image is read. A small file can hold a header that
  makes a decoder ask for gigabytes.

  Args:
    record: The record of the example.
    shape: The expected (height, width, channels).
    feature: The name of the feature with the image.

  Raises:
    ValueError: if the image is larger, or if it has no valid header.
  """
  size = image_size(record, feature)
  if math.prod(size) > math.prod(shape[:2]):
    raise ValueError(f'its image has the size {size}, not {shape[:2]}')


def image_size(record: bytes, feature: str) -> tuple[int, int]:
  """The (height, width) that the header of an example's image tells.

  Args:
    record: The record of the example.
    feature: The name of the feature with the image.

  Raises:
    ValueError: if the example has no image, or the image has no valid header.
  """
  try:
    features = tf_example_pb2.Example.FromString(record).features.feature
    encoded = features[feature].bytes_list.value[0]
    with warnings.catch_warnings():
      # Pillow warns of large images, which this does not decode.
      warnings.simplefilter('ignore', Image.DecompressionBombWarning)
      with Image.open(io.BytesIO(encoded)) as image:
        return image.height, image.width
  # The parser and Pillow raise errors of their own classes.
  except Exception as error:
    if not is_about_contents(error):
      raise
    raise ValueError(f'it has no readable image: {error}') from error


def record_digest(
  record: bytes, image_feature: str, label_feature: str
) -> bytes:
  """The SHA-256 of an example's stored image, label and id, as 32 bytes.

  The layout of the record and its other features make no difference.

  Args:
    record: The record of the example.
    image_feature: The name of the feature with the image.
    label_feature: The name of the feature with the class.
  """
  try:
    features = tf_example_pb2.Example.FromString(record).features.feature
    parts = [
      features[image_feature].bytes_list.value[0],
      str(features[label_feature].int64_list.value[0]).encode(),
      # Most sources have no ids, and this adds nothing.
      *features['id'].bytes_list.value,
    ]
  except Exception as error:  # The parser raises errors of its own classes.
    if not is_about_contents(error):
      raise
    parts = [b'no labelled image', record]
  digest = hashlib.sha256()
  for part in parts:
    digest.update(len(part).to_bytes(8, 'little'))
    digest.update(part)
  return digest.digest()


def shard_digest(digests: Iterable[bytes]) -> str:
  """A hash of a shard's examples, 16 hexadecimal digits long.

  Args:
    digests: The `record_digest` of each example, in order.
  """
  return hashlib.sha256(b''.join(digests)).hexdigest()[:16]
