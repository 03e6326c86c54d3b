"""Finds the size of a source's images if its metadata leave it open."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator

import tensorflow_datasets as tfds

from pipelines.errors import SourceError
from pipelines.files import listing, storage
from pipelines.files.source_records import image_size, read_records
from pipelines.plan.dataset_plan import SourceSpec


def with_one_size(
  source: SourceSpec, splits: tuple[tuple[str, int], ...]
) -> SourceSpec:
  """A source with the size that all its images have.

  If the metadata tell the size, no image is read. Otherwise the headers of all
  images are. An example without a readable image is left to the build.

  Args:
    source: The source.
    splits: The name of each split and the number of its examples to look at.

  Raises:
    SourceError: if a file cannot be read, or if images have different sizes.
  """
  if None not in source.schema.shape:
    return source
  files = listing.sizes_and_times(storage.path(source.directory))
  feature = source.image_feature
  try:
    size = _one_size(source.directory, tuple(files.items()), feature, splits)
  except (OSError, ValueError) as error:
    raise SourceError(
      f'The images of the source {source.name} in {source.directory} cannot be '
      f'fitted: {error}'
    ) from error
  shape = (*size, source.schema.shape[-1])
  schema = dataclasses.replace(source.schema, shape=shape)
  return dataclasses.replace(source, schema=schema)


# All datasets of a command have the same source. The argument `files` shows if
# it has changed.
@functools.lru_cache(maxsize=1)
def _one_size(
  directory: str,
  files: tuple,
  feature: str,
  splits: tuple[tuple[str, int], ...],
) -> tuple[int, int]:
  """Does the work of `with_one_size`, with arguments that can be hashed."""
  del files
  first = None
  for place, size in _sizes(directory, feature, splits):
    first = first or (place, size)
    if size != first[1]:
      raise ValueError(
        f'{first[0]} has the size {first[1]}, and {place} has {size}. LINAC '
        'needs images of one size: prepare a source with resized images.'
      )
  if first is None:
    raise ValueError('no example has an image that can be read.')
  return first[1]


def _sizes(
  directory: str, feature: str, splits: tuple[tuple[str, int], ...]
) -> Iterator[tuple[str, tuple[int, int]]]:
  """Yields the place and the (height, width) of each image that can be read."""
  builder = tfds.builder_from_directory(directory)
  for split, count in splits:
    records = read_records(builder, directory, split, 0, count)
    for index, record in enumerate(records):
      try:
        size = image_size(record, feature)
      except ValueError:
        continue
      yield f'{split}[{index}]', size
