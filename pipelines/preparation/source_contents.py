"""Hashes the examples of a source, so that a build notices if it changes.

A build continues only with the same images, labels, order and class names with
which it began. They may be in other files.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json

import tensorflow_datasets as tfds
from tqdm import tqdm

from pipelines.files import listing, storage
from pipelines.files.source_records import (
  read_records,
  record_digest,
  shard_digest,
)
from pipelines.plan.dataset_plan import SourceSpec


def source_contents(
  source: SourceSpec, shard_stops: dict[str, list[int]]
) -> tuple[str, dict[str, list[str]]]:
  """Hashes the examples of the source that a dataset is made from.

  Args:
    source: The source.
    shard_stops: The end of each of the dataset's shards, as a position in its
      split, by split.

  Returns:
    A hash of the class names and of all examples in order, and a hash of the
    examples of each shard, by split. Hashes are in hexadecimal.

  Raises:
    OSError: if a file cannot be read.
    ValueError: if a record is damaged.
  """
  folder = storage.path(source.directory)
  files = tuple(listing.sizes_and_times(folder).items())
  stops = tuple((split, tuple(s)) for split, s in shard_stops.items())
  features = (source.image_feature, source.label_feature)
  names = source.schema.class_names
  return _contents(source.directory, files, names, features, stops)


# All datasets of a command have the same source, which the cache saves from
# being read again. The argument `files` is there only for the cache: the sizes
# and times of the files show if the source has changed.
@functools.lru_cache(maxsize=1)
def _contents(
  directory: str,
  files: tuple,
  class_names: tuple[str, ...],
  features: tuple[str, str],
  shard_stops: tuple[tuple[str, tuple[int, ...]], ...],
) -> tuple[str, dict[str, list[str]]]:
  """Does the work of `source_contents`, with arguments that can be hashed."""
  del files
  builder = tfds.builder_from_directory(directory)
  everything = hashlib.sha256(json.dumps(class_names, allow_nan=False).encode())
  digests: dict[str, list[str]] = {split: [] for split, _ in shard_stops}
  with tqdm(
    total=sum(stops[-1] for _, stops in shard_stops),
    desc='Reading the source',
    unit=' images',
    disable=None,
    delay=3,
  ) as bar:
    for split, stops in shard_stops:
      records = read_records(builder, directory, split, 0, stops[-1])
      of_split = hashlib.sha256()
      for start, stop in itertools.pairwise([0, *stops]):
        shard = itertools.islice(records, stop - start)
        examples = [record_digest(record, *features) for record in shard]
        digests[split].append(shard_digest(examples))
        of_split.update(b''.join(examples))
        bar.update(len(examples))
      text = json.dumps(
        [split, stops[-1], of_split.hexdigest()], allow_nan=False
      )
      everything.update(text.encode())
  return everything.hexdigest()[:32], digests
