"""Accuracies with their confidence intervals."""

from __future__ import annotations

from scipy import stats


def accuracy_interval(correct: int, count: int) -> tuple[float, float]:
  """Returns Wilson's score interval (1927) of an accuracy, at 95 %.

  It is computed without a correction for continuity.

  Args:
    correct: The number of images that are classified correctly.
    count: The number of images that were classified.

  Returns:
    The lower and the upper bound, between 0 and 1.

  Raises:
    ValueError: If `count` is 0, or `correct` is not between 0 and `count`.
  """
  if not 0 <= correct <= count or not count:
    raise ValueError(
      f'{correct} of {count} is no accuracy; count at least one image.'
    )
  interval = stats.binomtest(correct, count).proportion_ci(
    confidence_level=0.95, method='wilson'
  )
  return float(interval.low), float(interval.high)


def accuracy_of(correct) -> dict:
  """Returns an accuracy and its interval, for a line of JSON.

  Args:
    correct: A sequence that says of each image whether it is classified
      correctly.
  """
  hits, count = int(sum(correct)), len(correct)
  low, high = accuracy_interval(hits, count)
  return {
    'correct': hits,
    'images': count,
    'accuracy': round(hits / count, 4),
    'interval_95': [round(low, 4), round(high, 4)],
  }
