"""The splits that a build is asked for, such as `train` or `train[:10%]`."""

from __future__ import annotations

import dataclasses
import re

_START = re.compile(
  r'(?P<name>[^][+]+)(\[:(?P<count>[0-9]{1,18})(?P<percent>%?)\])?'
)


@dataclasses.dataclass(frozen=True)
class SplitStart:
  """A split of a source, or the first of its examples.

  Attributes:
    name: The name of the split.
    count: The number of its examples, or None for all.
    is_percent: Whether `count` is a percentage of the split.
  """

  name: str
  count: int | None
  is_percent: bool

  def size(self, available: int) -> int:
    """Returns the number of examples, rounded as TFDS does.

    Args:
      available: The number of examples of the whole split.

    Raises:
      ValueError: if the split has fewer examples, or if none would be left.
    """
    if self.count is None:
      return available
    size = self.count
    if self.is_percent:
      size = round(self.count * available / 100)
    if not 1 <= size <= available:
      raise ValueError(
        f"splits='{self}' is {size:,} of the {available:,} examples of "
        f'{self.name}; choose 1 to {available:,} of them.'
      )
    return size

  def __str__(self) -> str:
    if self.count is None:
      return self.name
    return f'{self.name}[:{self.count}{"%" * self.is_percent}]'


def parse_split(text: str) -> SplitStart:
  """Parses `NAME`, `NAME[:N]` or `NAME[:N%]`.

  Raises:
    ValueError: if the text is anything else, such as another slice.
  """
  match = _START.fullmatch(text)
  if not match:
    raise ValueError(
      f'splits={text!r} is neither a split nor the start of one, such as '
      'train[:1000] or train[:10%]. Build these, separated by commas, and pass '
      'other slices and sums of splits to tfds.load.'
    )
  count = match['count'] and int(match['count'])
  return SplitStart(match['name'], count, bool(match['percent']))
