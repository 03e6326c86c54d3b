"""Shards, the units of work, and how a split is cut into them.

The layout depends on the sizes of the splits and on `--examples_per_shard`
alone, never on the number of workers, so that any worker can go on with
another's work.
"""

from __future__ import annotations

import dataclasses
import re

DATASET = 'cifar10_linac'
# Shards are numbered with five digits.
MAX_SHARDS = 99_999
# Splits become part of file names, in which TFDS finds them.
SPLIT_NAME = re.compile(r'[\w\-]{1,100}', re.ASCII)
# A split with fewer examples is cut into smaller shards, to keep workers busy.
_SMALL_SPLIT = 4096
_EXAMPLES_OF_SMALL_SPLITS = 32
DEFAULT_EXAMPLES_PER_SHARD = 128


@dataclasses.dataclass(frozen=True)
class ShardSpec:
  """One output file: examples `[start, stop)` of a split of the source.

  Attributes:
    dataset: The dataset's staging folder, which holds its plan.
    split: The split of the source and of the dataset.
    index: The number of the shard in its split, from 0.
    count: The number of shards of the split.
    start: The first example.
    stop: The example after the last one.
    fingerprint: The dataset's fingerprint.
  """

  dataset: str
  split: str
  index: int
  count: int
  start: int
  stop: int
  fingerprint: str

  @property
  def size(self) -> int:
    """The number of examples."""
    return self.stop - self.start

  def file_name(self, file_format: str) -> str:
    """The name under which TFDS reads the shard."""
    return (
      f'{DATASET}-{self.split}.{file_format}-'
      f'{self.index:05d}-of-{self.count:05d}'
    )


def check_split(split: str, size: int, examples_per_shard: int | None) -> None:
  """Refuses a split that cannot be cut into files.

  Raises:
    ValueError: naming a split that cannot be part of a file name, or whose
      shards cannot be numbered.
  """
  if not SPLIT_NAME.fullmatch(split):
    raise ValueError(
      f'The source has a split {split!r:.120}, which is no part of a file '
      'name: letters, digits, _ and - are, up to 100 of them. Choose '
      'others with --splits.'
    )
  count = _num_shards(size, examples_per_shard)
  if not 1 <= count <= MAX_SHARDS:
    raise ValueError(
      f'examples_per_shard={examples_per_shard} makes {count} shards '
      f'of the {size} examples of {split!r}; 1 to {MAX_SHARDS} are '
      'possible.'
    )


def shard_stops(size: int, examples_per_shard: int | None) -> list[int]:
  """The ends of a split's shards, whose sizes differ by at most one.

  Args:
    size: The number of examples of the split.
    examples_per_shard: The most examples a shard holds; None for 128, or 32 in
      a split of fewer than 4,096 examples.
  """
  count = _num_shards(size, examples_per_shard)
  return [(i + 1) * size // count for i in range(count)]


def _num_shards(size: int, examples_per_shard: int | None) -> int:
  default = (
    DEFAULT_EXAMPLES_PER_SHARD
    if size >= _SMALL_SPLIT
    else _EXAMPLES_OF_SMALL_SPLITS
  )
  return -(-size // (examples_per_shard or default))
