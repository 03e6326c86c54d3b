"""Reads what a report shows of a published dataset, a few shards at a time."""

from __future__ import annotations

import dataclasses
import random

import numpy as np
from tqdm import tqdm

from pipelines.dataset.manifest import Manifest
from pipelines.dataset.read_published import (
  PublishedDataset,
  read_published_manifests,
)
from pipelines.dataset.stored_examples import read_examples
from pipelines.plan.shards import ShardSpec

# Best fits and worst fits that are shown, of each.
NUM_EXTREMES = 4


@dataclasses.dataclass(frozen=True)
class Measures:
  """Of `n` examples of a split, in order.

  Attributes:
    psnr: in dB.
    final_loss: of the last optimisation step.
  """

  psnr: np.ndarray
  final_loss: np.ndarray


@dataclasses.dataclass(frozen=True)
class Sampled:
  """Of the `n` examples of the shards that were read.

  Attributes:
    split: name of each one's split.
    label: of each.
    psnr: of each, in dB.
    final_loss: of each.
    zeros: share of zeros in each one's representation.
    dead: number of each one's channels that are zero at every pixel.
    channel_zeros: share of zeros in each channel, over all of them.
    shards: that were read.
  """

  split: np.ndarray
  label: np.ndarray
  psnr: np.ndarray
  final_loss: np.ndarray
  zeros: np.ndarray
  dead: np.ndarray
  channel_zeros: np.ndarray
  shards: list[ShardSpec]


@dataclasses.dataclass(frozen=True)
class Contents:
  """What the dataset's files tell.

  Attributes:
    manifests: of all shards, less the hashes.
    measures: of all examples, by split.
    sampled: of the shards that were read.
    drawn: examples drawn at random, with all features and their `place`: split,
      index of the shard and position in it.
    best: examples of the highest PSNR, the best first.
    worst: of the lowest, the worst first.
  """

  manifests: dict[ShardSpec, Manifest]
  measures: dict[str, Measures]
  sampled: Sampled
  drawn: list[dict]
  best: list[dict]
  worst: list[dict]

  @property
  def coverage(self) -> str:
    """A sentence on what the statistics of the shards that were read are of."""
    count, total = len(self.sampled.shards), len(self.manifests)
    number = len(self.sampled.label)
    if number == sum(len(m.psnr) for m in self.measures.values()):
      return f'All {number:,} images.'
    return (
      f'{number:,} images, of {count} of the {total} shards, evenly spread '
      'over the dataset.'
    )


def class_name(dataset: PublishedDataset, label: int) -> str:
  """The name of a label, or the label itself if there is none."""
  names = dataset.plan.source.schema.class_names
  return names[label] if 0 <= label < len(names) else f'label {label}'


# A shard and the position in its file.
_Place = tuple[ShardSpec, int]


def read_contents(
  dataset: PublishedDataset, num_shards: int, num_drawn: int
) -> Contents:
  """Reads the manifests, and some shards one example at a time.

  Args:
    dataset: to read.
    num_shards: to read whole, at most, spread evenly over the dataset.
    num_drawn: examples to draw, the same ones of all datasets cut alike.

  Raises:
    OSError: if a file cannot be read.
    ValueError: naming a file that is damaged.
  """
  manifests = {
    shard: dataclasses.replace(manifest, representation_sha256=[])
    for shard, manifest in read_published_manifests(dataset).items()
  }
  places = [(s, row) for s, m in manifests.items() for row in range(len(m.ids))]
  # The same ones for all seeds, to be compared.
  drawn = random.Random(0).sample(places, min(num_drawn, len(places)))
  by_psnr = sorted(places, key=lambda p: manifests[p[0]].measures['psnr'][p[1]])
  worst, best = by_psnr[:NUM_EXTREMES], by_psnr[: -NUM_EXTREMES - 1 : -1]
  whole = _spread([s for s, m in manifests.items() if m.ids], num_shards)
  sampled, kept = _read(dataset, manifests, whole, {*drawn, *best, *worst})
  return Contents(
    manifests=manifests,
    measures={
      split: _measures(manifests, split) for split, _ in dataset.plan.splits
    },
    sampled=sampled,
    drawn=[kept[place] for place in drawn],
    best=[kept[place] for place in best],
    worst=[kept[place] for place in worst],
  )


def _spread(shards: list[ShardSpec], number: int) -> list[ShardSpec]:
  """So many of the shards, at even distances."""
  number = min(number, len(shards))
  return [shards[i * len(shards) // number] for i in range(number)]


def _measures(manifests: dict[ShardSpec, Manifest], split: str) -> Measures:
  parts = [m for shard, m in manifests.items() if shard.split == split]
  return Measures(
    psnr=np.concatenate([m.measures['psnr'] for m in parts]),
    final_loss=np.concatenate([m.measures['final_loss'] for m in parts]),
  )


def _read(
  dataset: PublishedDataset,
  manifests: dict[ShardSpec, Manifest],
  whole: list[ShardSpec],
  places: set[_Place],
) -> tuple[Sampled, dict[_Place, dict]]:
  """Statistics of some shards, and the examples at some places."""
  rows, channel_zeros, kept = [], 0, {}
  wanted = {*whole, *(shard for shard, _ in places)}
  shards = [shard for shard in manifests if shard in wanted]
  for shard in tqdm(shards, desc='Reading', unit=' shards', disable=None):
    path = dataset.directory / dataset.plan.file_name(shard)
    left = {row for s, row in places if s == shard}
    for row, example in enumerate(read_examples(dataset.plan, path)):
      if row in left:
        kept[shard, row] = example | {'place': (shard.split, shard.index, row)}
        left.remove(row)
      if shard in whole:
        channels = np.mean(example['representation'] == 0, axis=(0, 1))
        channel_zeros = channel_zeros + channels
        rows.append(
          {
            'split': shard.split,
            'label': example['label'],
            'psnr': example['psnr'],
            'final_loss': example['final_loss'],
            'zeros': channels.mean(),
            'dead': np.sum(channels == 1),
          }
        )
      elif not left:
        break
    if left:
      raise ValueError(f'{path} has fewer examples than its manifest tells.')
  sampled = Sampled(
    **{name: np.array([row[name] for row in rows]) for name in rows[0]},
    channel_zeros=channel_zeros / len(rows),
    shards=whole,
  )
  return sampled, kept
