"""Reads slices of the source, an example at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds

from pipelines.dataset.manifest import BadExample
from pipelines.files import storage
from pipelines.files.source_records import (
  read_records,
  record_digest,
  shard_digest,
)
from pipelines.plan.dataset_plan import DatasetPlan


def read_source(
  plan: DatasetPlan, split: str, start: int, stop: int
) -> Iterator[dict | BadExample]:
  """Reads examples `[start, stop)` of the source in order, without TensorFlow.

  Yields:
    A dict with `index` (in the split), `id` (str), `image` (uint8 array) and
    `label` (int), or a `BadExample` in its place.

  Raises:
    ValueError: naming the folder, if it is damaged or gone, or if its examples
      are not those with which the build began.
  """
  folder = plan.source.directory
  try:
    builder = tfds.builder_from_directory(folder)
    records = read_records(builder, folder, split, start, stop)
    unchanged = _Unchanged(plan, split, start)
    for index, record in enumerate(records, start):
      unchanged.check(index, record)
      yield _parse(plan, builder.info.features, split, index, record)
  # TFDS and ArrayRecord have errors of their own for files damaged or gone.
  except Exception as error:
    if _is_transient(plan, error):
      raise  # Runners try it again.
    raise ValueError(f'{split} of {folder} cannot be read: {error}') from error


class _Unchanged:
  """Compares the examples of whole shards with those that were planned with."""

  def __init__(self, plan: DatasetPlan, split: str, start: int):
    digests = plan.source.digests.get(split, [])
    stops = plan.shard_stops[split] if digests else []
    # A slice may begin in the middle of a shard, which is not compared then.
    first = [0, *stops].index(start) if start in [0, *stops] else len(stops)
    self._expected = dict(zip(stops[first:], digests[first:], strict=True))
    self._examples: list[bytes] = []

  def check(self, index: int, record: bytes) -> None:
    """Takes the next record.

    Raises:
      ValueError: if it is the last of a shard whose examples have changed.
    """
    if not self._expected:
      return
    self._examples.append(record_digest(record))
    if expected := self._expected.get(index + 1):
      if shard_digest(self._examples) != expected:
        raise ValueError(
          f'its examples up to {index} are not those with which this build '
          'began. Restore them; the same command then goes on.'
        )
      self._examples.clear()


def _is_transient(plan: DatasetPlan, error: Exception) -> bool:
  """Whether a bucket could not be reached, so that its data is not at fault."""
  remote = storage.is_remote(storage.path(plan.source.directory))
  return (
    remote
    and isinstance(error, storage.errors())
    and not isinstance(error, FileNotFoundError)
  )


def _parse(
  plan: DatasetPlan, features, split: str, index: int, record: bytes
) -> dict | BadExample:
  """One example of the source, if it is a labelled image of the right shape."""
  id_, schema = f'{split}_{index:05d}', plan.source.schema
  try:
    example = features.deserialize_example_np(record)
    id_ = example['id'].decode() if schema.has_id else id_
    image, label = example['image'], int(example['label'])
  # TFDS, protobuf and Pillow each raise their own for what they cannot parse.
  except Exception as error:
    return BadExample(index, id_, f'it cannot be parsed: {error}')
  if image.shape != schema.shape or image.dtype != np.uint8:
    return BadExample(
      index,
      id_,
      f'its image is {image.dtype} of shape {image.shape}, not uint8 of '
      f'{schema.shape}.',
    )
  if not 0 <= label < len(schema.class_names):
    return BadExample(
      index, id_, f'its label {label} is none of {len(schema.class_names)}.'
    )
  return {'index': index, 'id': id_, 'image': image, 'label': label}
