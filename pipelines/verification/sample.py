"""Draws the examples that a verification fits again."""

from __future__ import annotations

import bisect
import itertools
import random

from pipelines.dataset.manifest import read_manifest
from pipelines.dataset.read_published import PublishedDataset
from pipelines.files import storage
from pipelines.plan.shards import ShardSpec


def draw_sample(
  dataset: PublishedDataset, number: int, seed: int
) -> set[tuple[ShardSpec, int]]:
  """Draws stored examples at random, or takes all if there are too few.

  Bad examples, which are not stored, are not drawn. Nor are those of shards
  whose manifests are not valid, or not those of the plan that the metadata
  describe: a fit by another plan would show nothing.

  Args:
    dataset: The dataset.
    number: The number of examples to draw.
    seed: The seed of the draw.

  Returns:
    The shard of each example, and its position in the shard's file.
  """

  def count(shard: ShardSpec) -> int:
    manifest = read_manifest(dataset.plan, shard, dataset.directory)
    return manifest.num_examples if manifest else 0

  shards = dataset.plan.shards()
  counts = storage.map_files(
    count, shards, storage.is_remote(dataset.directory)
  )
  stops = list(itertools.accumulate(counts))
  total = sum(counts)
  sample = set()
  for drawn in random.Random(seed).sample(range(total), min(number, total)):
    i = bisect.bisect_right(stops, drawn)
    sample.add((shards[i], drawn - stops[i] + counts[i]))
  return sample
