"""Reads slices of the source, one example at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds

from linac_config.errors import is_about_contents
from pipelines.dataset.manifest import BadExample
from pipelines.files import storage
from pipelines.files.source_records import (
  check_image_size,
  read_records,
  record_digest,
  shard_digest,
)
from pipelines.plan.dataset_plan import DatasetPlan


def read_source(
  plan: DatasetPlan, split: str, start: int, stop: int
) -> Iterator[dict | BadExample]:
  """Reads a slice of the source in order, without TensorFlow.

  Args:
    plan: The plan of the dataset.
    split: The split to read.
    start: The position of the first example in the split.
    stop: The position after the last example.

  Yields:
    A dict for each example with `index` (the position in the split), `id`
    (str), `image` (a uint8 array `[height, width, channels]`) and `label`
    (int). An example that is not a labelled image of the right shape is a
    `BadExample` instead.

  Raises:
    ValueError: if the source is damaged or missing, or if its examples are not
      those with which the build began; the message names its folder.
    OSError: if a bucket cannot be reached. It may also be another one of
      `storage.errors()`.
  """
  folder = plan.source.directory
  try:
    builder = tfds.builder_from_directory(folder)
    records = read_records(builder, folder, split, start, stop)
    unchanged = _Unchanged(plan, split, start)
    for index, record in enumerate(records, start):
      unchanged.check(index, record)
      yield _parse(plan, builder.info.features, split, index, record)
  # TFDS and ArrayRecord raise their own exceptions for damaged or missing
  # files.
  except Exception as error:
    if _is_transient(plan, error):
      raise  # Runners try the task again.
    raise ValueError(f'{split} of {folder} cannot be read: {error}') from error


class _Unchanged:
  """Checks that the examples of whole shards are those of the plan."""

  def __init__(self, plan: DatasetPlan, split: str, start: int):
    """Takes the expected digests from the plan.

    Args:
      plan: The plan of the dataset. Without digests, nothing is checked.
      split: The split to read.
      start: The position of the first example.
    """
    digests = plan.source.digests.get(split, [])
    stops = plan.shard_stops[split] if digests else []
    # If the slice begins in the middle of a shard, nothing is checked, since
    # the digests are those of whole shards.
    first = [0, *stops].index(start) if start in [0, *stops] else len(stops)
    self._expected = dict(zip(stops[first:], digests[first:], strict=True))
    self._examples: list[bytes] = []
    self._features = (plan.source.image_feature, plan.source.label_feature)

  def check(self, index: int, record: bytes) -> None:
    """Takes the next record and, at the end of a shard, compares the digest.

    Args:
      index: The position of the record in the split.
      record: The record.

    Raises:
      ValueError: if the examples of a shard have changed.
    """
    if not self._expected:
      return
    self._examples.append(record_digest(record, *self._features))
    if expected := self._expected.get(index + 1):
      if shard_digest(self._examples) != expected:
        raise ValueError(
          f'its examples up to {index} are not those with which this build '
          'began. Restore them, then run the same command again.'
        )
      self._examples.clear()


def _is_transient(plan: DatasetPlan, error: Exception) -> bool:
  """Whether the error means that a bucket could not be reached for now."""
  remote = storage.is_remote(storage.path(plan.source.directory))
  return (
    remote
    and isinstance(error, storage.errors())
    and not isinstance(error, FileNotFoundError)
  )


def _parse(
  plan: DatasetPlan, features, split: str, index: int, record: bytes
) -> dict | BadExample:
  """Parses a record, which may be no labelled image of the right shape.

  Args:
    plan: The plan of the dataset.
    features: The TFDS features of the source.
    split: The split of the record.
    index: The position of the record in the split.
    record: The record.
  """
  source, id_ = plan.source, f'{split}_{index:05d}'
  schema = source.schema
  try:
    check_image_size(record, schema.shape, source.image_feature)
    example = features.deserialize_example_np(record)
    id_ = example['id'].decode() if schema.has_id else id_
    image = _at(example, source.image_feature)
    label = int(_at(example, source.label_feature))
  # TFDS, protobuf and Pillow each raise their own exceptions here.
  except Exception as error:
    if not is_about_contents(error):
      raise
    return BadExample(index, id_, f'it cannot be parsed: {error}')
  if image.shape != schema.shape or image.dtype != np.uint8:
    return BadExample(
      index,
      id_,
      f'its image is {image.dtype} of shape {image.shape}, not uint8 of shape '
      f'{schema.shape}.',
    )
  if not 0 <= label < len(schema.class_names):
    return BadExample(
      index,
      id_,
      f'its label {label} is none of the {len(schema.class_names)} classes.',
    )
  return {'index': index, 'id': id_, 'image': image, 'label': label}


def _at(example: dict, feature: str):
  """The value of a feature, whose name may be a path such as `inputs/image`."""
  for name in feature.split('/'):
    example = example[name]
  return example
