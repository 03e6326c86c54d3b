"""Several seeds in one option: `0:100`, `7,42`."""

from __future__ import annotations

from collections.abc import Iterable

# Each is a dataset, whose folder stays open while it is built.
MOST_SEEDS = 500


def parse(text: str) -> list[int]:
  """The seeds that a text names, in order.

  Args:
    text: seeds and ranges `START:STOP` without STOP, as Python's slices,
      separated by commas.

  Raises:
    ValueError: naming the text, if it names none, one twice or too many.
  """
  ranges = [_range(part, text) for part in text.split(',')]
  if (count := sum(r.stop - r.start for r in ranges)) > MOST_SEEDS:
    raise ValueError(
      f'seeds={text!r} are {count:,}; one run builds up to {MOST_SEEDS}.'
    )
  seeds = [seed for part in ranges for seed in part]
  if len(set(seeds)) < len(seeds):
    raise ValueError(f'seeds={text!r} names a seed twice.')
  return seeds


def _range(part: str, text: str) -> range:
  try:
    start, *stop = map(int, part.split(':'))
    found = range(start, *stop) if stop else range(start, start + 1)
  except (TypeError, ValueError):
    found = range(0)
  if found.step != 1 or not found:
    raise ValueError(
      f'seeds={text!r}: {part!r} is neither a seed nor a range START:STOP of '
      'some, such as 0:100.'
    )
  return found


def show(seeds: Iterable[int]) -> str:
  """The text that names the seeds."""
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
