"""Tests sines and cosines, which are made with integers, by decimal numbers."""

import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.transforms import decimals
from transforms import exact
from transforms.exact import rounding, trigonometry

FORMATS = [(exact.FLOAT32, np.float32), (exact.FLOAT64, np.float64)]
NEAR_QUARTER_TURNS = 6381956970095103 * 2.0**797  # The hardest of all floats.
HARD_ANGLES = [
  *(2.0**i * np.pi for i in (-1, 0, 1, 10, 63)),
  *(2.0**63 * np.pi * 31 / 33, -(2.0**63) * np.pi / 3),
  *(NEAR_QUARTER_TURNS, np.pi / 4, 1e-8, -1e-17),
]


@pytest.mark.parametrize(('target', 'dtype'), FORMATS)
@pytest.mark.parametrize('angle', HARD_ANGLES)
def test_sines_and_cosines_of_hard_angles(angle, target, dtype):
  check_angle(angle, target, dtype, digits=400)


@given(
  st.floats(-1e20, 1e20, allow_subnormal=False).filter(
    lambda a: abs(a) > 1e-20
  ),
  st.sampled_from(FORMATS),
)
def test_sines_and_cosines(angle, target_and_dtype):
  check_angle(angle, *target_and_dtype, digits=80)


def check_angle(angle: float, target, dtype, digits: int):
  sine, cosine = exact.sine(angle, target), exact.cosine(angle, target)
  true_sine = decimals.cosine(Decimal(angle), digits, quarters=-1)
  assert decimals.is_nearest(true_sine, sine, dtype)
  true_cosine = decimals.cosine(Decimal(angle), digits)
  assert decimals.is_nearest(true_cosine, cosine, dtype)


def test_rounding_happens_once():
  """Sines are not rounded by way of float64.

  These ones lie near the middle of two float32 numbers. Many of them would be
  the middle itself in float64, and then be rounded to the wrong number.
  """
  low = np.random.default_rng(0).uniform(0.1, 0.9, 100).astype(np.float32)
  middles = (low.astype(np.float64) + np.nextafter(low, np.float32(1))) / 2
  angles = np.arcsin(middles)
  ours = [exact.sine(angle, exact.FLOAT32) for angle in angles.tolist()]
  assert (np.sin(angles).astype(np.float32) != ours).any()
  for angle, sine in zip(angles.tolist(), ours, strict=True):
    true = decimals.cosine(Decimal(angle), 60, quarters=-1)
    assert decimals.is_nearest(true, sine, np.float32)


@pytest.mark.parametrize(('target', 'dtype'), FORMATS)
@pytest.mark.parametrize('angle', [0.0, 5e-324, 1e-310, 1e-44, 1e-40, -1e-40])
def test_tiny_angles_are_their_own_sines(angle, target, dtype):
  """Their cubes are far below the spacing even of subnormal numbers."""
  assert exact.sine(angle, target) == float(dtype(angle))
  assert exact.cosine(angle, target) == 1


def test_a_zero_keeps_its_sign():
  assert math.copysign(1, exact.sine(0.0, exact.FLOAT32)) == 1
  assert math.copysign(1, exact.sine(-0.0, exact.FLOAT32)) == -1


@given(st.floats(-1e6, 1e6), st.sampled_from([64, 100, 256]))
def test_bounds_enclose_the_cosine(angle, bits):
  low, high = trigonometry._cosine(*trigonometry._reduced(angle, bits, 0))
  true = Fraction(decimals.cosine(Decimal(angle), 100)) * 2**bits
  assert low < true < high


@pytest.mark.parametrize('steps', [1, 2, 3, 4, 5, 6, 7, 12, 99, 320])
def test_half_a_turn(steps):
  cosines = exact.half_turn(steps)
  assert len(cosines) == steps
  for j, cosine in enumerate(cosines.tolist()):
    if 2 * j == steps:
      assert cosine == 0
    else:
      assert decimals.is_nearest(turned(j, steps), cosine, np.float64)


def test_half_a_turn_of_many_steps():
  cosines = exact.half_turn(100_001)
  for j in (1, 2, 777, 49_999, 50_000, 50_001, 100_000):
    true = turned(j, 100_001)
    assert decimals.is_nearest(true, float(cosines[j]), np.float64)


def turned(j: int, steps: int) -> Decimal:
  return decimals.cosine(decimals.pi(60) * j / steps, 60)


def test_bounds_that_disagree_are_computed_again(monkeypatch):
  cosines = exact.half_turn(51)
  monkeypatch.setattr(rounding, 'BITS', 64)
  np.testing.assert_array_equal(exact.half_turn(51), cosines)
