"""Several seeds as the text of one option, such as `0:100` or `7,42`."""

from __future__ import annotations

from collections.abc import Iterable

# Each seed makes a dataset. Its folder stays open and locked during the build,
# and a process can have only so many open files.
MOST_SEEDS = 500


def parse(text: str) -> list[int]:
  """Lists the seeds that a text names, in its order.

  Args:
    text: Seeds and ranges `START:STOP`, separated by commas. STOP itself is not
      part of a range, as in Python's slices.

  Raises:
    ValueError: if the text names no seed, a seed twice or more than
      `MOST_SEEDS`; the message quotes it.
  """
  ranges = [_range(part, text) for part in text.split(',')]
  if (count := sum(r.stop - r.start for r in ranges)) > MOST_SEEDS:
    raise ValueError(
      f'seeds={text!r} are {count:,}; one run builds up to {MOST_SEEDS}. Split '
      'them among several runs.'
    )
  seeds = [seed for part in ranges for seed in part]
  if len(set(seeds)) < len(seeds):
    raise ValueError(f'seeds={text!r} names a seed twice.')
  return seeds


def _range(part: str, text: str) -> range:
  """Parses a seed or a range; `text` is the whole option, for the message."""
  try:
    start, *stop = map(int, part.split(':'))
    found = range(start, *stop) if stop else range(start, start + 1)
  except (TypeError, ValueError):
    found = range(0)
  if found.step != 1 or not found:
    raise ValueError(
      f'seeds={text!r}: {part!r} is neither a seed, such as 42, nor a range '
      'START:STOP, such as 0:100.'
    )
  return found


def show(seeds: Iterable[int]) -> str:
  """Writes the text that `parse` turns into these seeds."""
  ranges = []
  for seed in seeds:
    if ranges and seed == ranges[-1][1]:
      ranges[-1][1] += 1
    else:
      ranges.append([seed, seed + 1])
  return ','.join(
    f'{start}:{stop}' if stop - start > 1 else f'{start}'
    for start, stop in ranges
  )
