"""Reads the contents of a published dataset that a report shows."""

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

# The number of best fits, and of worst fits, that are shown.
NUM_EXTREMES = 4
# The largest number of letters of a name that are shown. A figure has room for
# them and for its axes, also if the letters are wide.
_MAX_NAME = 18


@dataclasses.dataclass(frozen=True)
class Measures:
  """The measures of all examples of a split, in order.

  Attributes:
    psnr: The PSNR of each example in dB, `[examples]`.
    final_loss: The loss of its last optimisation step, `[examples]`.
  """

  psnr: np.ndarray
  final_loss: np.ndarray


@dataclasses.dataclass(frozen=True)
class Sampled:
  """Facts about the examples of the shards that were read whole.

  All arrays but `channel_zeros` are `[examples]`.

  Attributes:
    split: The name of each example's split.
    label: The label of each example.
    psnr: The PSNR of each example, in dB.
    final_loss: The final loss of each example.
    zeros: The share of zeros in each example's representation, in [0, 1].
    dead: The number of channels of each example that are zero at every pixel.
    channel_zeros: The share of zeros in each channel, over all these examples,
      `[units]`.
    shards: The shards that were read.
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
  """The contents of a dataset that a report shows.

  Examples have all features and their `place`: the split, the index of the
  shard and the position in its file.

  Attributes:
    manifests: The manifests of all shards, without the examples' hashes.
    measures: The measures of all examples, by split.
    sampled: Facts about the examples of the shards that were read whole.
    drawn: The examples that were drawn at random.
    best: The examples with the highest PSNR, the best first.
    worst: The examples with the lowest PSNR, the worst first.
  """

  manifests: dict[ShardSpec, Manifest]
  measures: dict[str, Measures]
  sampled: Sampled
  drawn: list[dict]
  best: list[dict]
  worst: list[dict]

  @property
  def coverage(self) -> str:
    """A sentence that says how many images the facts in `sampled` are about."""
    count, total = len(self.sampled.shards), len(self.manifests)
    number = len(self.sampled.label)
    if number == sum(len(m.psnr) for m in self.measures.values()):
      return f'All {number:,} images.'
    return (
      f'{number:,} images, of {count} of the {total} shards, evenly spread '
      'over the dataset.'
    )


def class_name(dataset: PublishedDataset, label: int) -> str:
  """The name of a label, or the label itself if there is none.

  A long name is cut. The label behind it tells it from others that begin alike.
  """
  names = dataset.plan.source.schema.class_names
  if not 0 <= label < len(names):
    return f'label {label}'
  name = names[label]
  cut = shortened(name)
  return name if cut == name else f'{cut} ({label})'


def shortened(name: str) -> str:
  """A name as the page shows it: if it is long, its first letters.

  Names come from the source and may have any length.
  """
  return name if len(name) <= _MAX_NAME else f'{name[: _MAX_NAME - 1]}…'


# An example's shard and its position in the shard's file.
_Place = tuple[ShardSpec, int]


def read_contents(
  dataset: PublishedDataset, num_shards: int, num_drawn: int
) -> Contents:
  """Reads all manifests, and some of the shards one example at a time.

  Args:
    dataset: The dataset to read.
    num_shards: The largest number of shards to read whole. They are spread
      evenly over the dataset.
    num_drawn: The number of examples to draw. Datasets with the same shards get
      the same examples.

  Raises:
    OSError: if a file cannot be read.
    ValueError: if a file is damaged; the message names it.
  """
  manifests = {
    shard: dataclasses.replace(manifest, representation_sha256=[])
    for shard, manifest in read_published_manifests(dataset).items()
  }
  places = [(s, row) for s, m in manifests.items() for row in range(len(m.ids))]
  # The draw is the same for all seeds, so that their reports can be compared.
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
  """At most `number` of the shards, at even distances."""
  number = min(number, len(shards))
  return [shards[i * len(shards) // number] for i in range(number)]


def _measures(manifests: dict[ShardSpec, Manifest], split: str) -> Measures:
  """The measures of all examples of a split, from its manifests."""
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
  """Reads some shards, and the examples at some places.

  Args:
    dataset: The dataset.
    manifests: The manifests of all shards.
    whole: The shards to read whole.
    places: The places of the examples to keep.

  Returns:
    The facts about all examples of the shards in `whole`, and the kept examples
    by place.
  """
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
