"""Intervals have the published bounds and cover as often as they claim."""

import numpy as np
import pytest

from classifiers.evaluation.intervals import accuracy_interval, accuracy_of


def test_the_interval_is_wilsons():
  # Agresti and Coull (1998) give these bounds for 0 and 5 of 10.
  assert accuracy_interval(0, 10) == pytest.approx((0, 0.2775), abs=1e-4)
  assert accuracy_interval(5, 10) == pytest.approx((0.2366, 0.7634), abs=1e-4)


def test_the_published_accuracy_has_an_interval_of_half_a_percent():
  low, high = accuracy_interval(9308, 10_000)
  assert low == pytest.approx(0.9257, abs=1e-4)
  assert high == pytest.approx(0.9356, abs=1e-4)


def test_intervals_cover_as_often_as_they_say():
  counts = np.random.default_rng(0).binomial(200, 0.35, 1000)
  intervals = [accuracy_interval(int(c), 200) for c in counts]
  assert 0.93 < np.mean([low < 0.35 < high for low, high in intervals]) < 0.97


def test_a_json_line_holds_numbers_alone():
  line = accuracy_of(np.array([True, False, True, True]))
  assert (line['correct'], line['images'], line['accuracy']) == (3, 4, 0.75)
  assert all(type(v) in (int, float, list) for v in line.values())


@pytest.mark.parametrize('counts', [(0, 0), (3, 2), (-1, 2)])
def test_counts_that_are_none_are_refused(counts):
  with pytest.raises(ValueError, match='no accuracy'):
    accuracy_interval(*counts)
