"""Shards, which are the units of work, and the way a split is cut into them.

The layout depends only on the sizes of the splits and on
`--examples_per_shard`, never on the number of workers. So any worker can
continue the work of another.
"""

from __future__ import annotations

import dataclasses
import re

# The name of the TFDS dataset, which is also that of its folder.
DATASET = 'cifar10_linac'
# The largest number of shards: they are numbered with five digits.
MAX_SHARDS = 99_999
# The names of splits that can be part of file names that TFDS reads.
SPLIT_NAME = re.compile(r'[\w\-]{1,100}', re.ASCII)
# A split with fewer examples than this is cut into smaller shards, so that
# there is work for all workers.
_SMALL_SPLIT = 4096
_EXAMPLES_OF_SMALL_SPLITS = 32
DEFAULT_EXAMPLES_PER_SHARD = 128


@dataclasses.dataclass(frozen=True)
class ShardSpec:
  """A shard to build: one file of the examples `[start, stop)` of a split.

  Attributes:
    dataset: The path of the dataset's staging folder, which holds its plan.
    split: The split of the source and of the dataset.
    index: The number of the shard in its split, from 0.
    count: The number of shards of the split.
    start: The index of the first example in the split.
    stop: The index after the last example.
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
    """The number of examples of the source, bad ones included."""
    return self.stop - self.start

  def file_name(self, file_format: str) -> str:
    """The name of the shard's file, by which TFDS finds it."""
    return (
      f'{DATASET}-{self.split}.{file_format}-'
      f'{self.index:05d}-of-{self.count:05d}'
    )


def check_split(split: str, size: int, examples_per_shard: int | None) -> None:
  """Checks that a split can be cut into shards.

  Args:
    split: The name of the split.
    size: The number of its examples.
    examples_per_shard: The largest number of examples in a shard, or None.

  Raises:
    ValueError: if the name cannot be part of a file name, or if there are too
      many or too few shards.
  """
  if not SPLIT_NAME.fullmatch(split):
    raise ValueError(
      f'The source has a split {split!r:.120}, which is no part of a file '
      'name: that may have up to 100 letters, digits, _ and -. Choose other '
      'splits with --splits.'
    )
  count = num_shards(size, examples_per_shard)
  if not 1 <= count <= MAX_SHARDS:
    raise ValueError(
      f'examples_per_shard={examples_per_shard} makes {count} shards '
      f'of the {size} examples of {split!r}; 1 to {MAX_SHARDS} are '
      'possible. Choose another number.'
    )


def shard_stops(size: int, examples_per_shard: int | None) -> list[int]:
  """The index after the last example of each shard of a split, in order.

  The sizes of the shards differ by at most one.

  Args:
    size: The number of examples of the split.
    examples_per_shard: The largest number of examples in a shard; None for 128,
      or 32 in a split of fewer than 4,096 examples.
  """
  count = num_shards(size, examples_per_shard)
  return [(i + 1) * size // count for i in range(count)]


def num_shards(size: int, examples_per_shard: int | None) -> int:
  """The number of shards of a split, without a list of them.

  Args:
    size: The number of examples of the split.
    examples_per_shard: The largest number of examples in a shard, or None.
  """
  default = (
    DEFAULT_EXAMPLES_PER_SHARD
    if size >= _SMALL_SPLIT
    else _EXAMPLES_OF_SMALL_SPLITS
  )
  return -(-size // (examples_per_shard or default))
