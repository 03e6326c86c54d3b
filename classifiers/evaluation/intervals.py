"""Confidence intervals of accuracies."""

from __future__ import annotations

from scipy import stats


def accuracy_interval(
  correct: int, count: int, confidence: float = 0.95
) -> tuple[float, float]:
  """Wilson's score interval of a proportion (1927), without a correction.

  Args:
    correct: images that are classified correctly.
    count: images that were tried.
    confidence: of the interval.

  Returns:
    Lower and upper bound, as fractions.

  Raises:
    ValueError: for counts that are none.
  """
  if not 0 <= correct <= count or not count:
    raise ValueError(f'{correct} of {count} is no accuracy.')
  interval = stats.binomtest(correct, count).proportion_ci(
    confidence, method='wilson'
  )
  return float(interval.low), float(interval.high)


def accuracy_of(correct) -> dict:
  """An accuracy for a JSON line.

  Args:
    correct: for each image, whether it is classified correctly.
  """
  hits, count = int(sum(correct)), len(correct)
  low, high = accuracy_interval(hits, count)
  return {
    'correct': hits,
    'images': count,
    'accuracy': round(hits / count, 4),
    'interval_95': [round(low, 4), round(high, 4)],
  }
