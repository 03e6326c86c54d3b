"""Tests normal numbers by Newton's method in decimal numbers."""

import decimal
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import special

from tests.transforms import decimals
from transforms import exact
from transforms.exact import normals

# The standard normal number of this chance differs from the middle of two
# float32 numbers, 0x1.7b6ba3p+0, by about 2**-68 only.
HARDEST = 0.8616892791300969


@pytest.fixture(scope='module')
def hard() -> np.ndarray:
  """Chances whose standard normal numbers lie near a middle of two float32."""
  low = np.random.default_rng(0).uniform(0.1, 2.1, 200).astype(np.float32)
  middles = (low.astype(np.float64) + np.nextafter(low, np.float32(3))) / 2
  chances = [
    float(decimals.chance(Decimal(middle), 40)) for middle in middles.tolist()
  ]
  return np.array(chances) * np.tile([1, -1], 100)


def rounded_twice(chances: np.ndarray) -> np.ndarray:
  return (np.sqrt(2) * special.erfinv(chances)).astype(np.float32)


def check(chance: float, scale: float):
  [result] = exact.normal(np.array([chance]), scale)
  with decimal.localcontext(prec=1200):
    true = decimals.normal(Decimal(chance), 50) * Decimal(scale)
  assert decimals.is_nearest(true, float(result), np.float32)


@given(
  st.floats(-0.966, 0.966).filter(lambda chance: abs(chance) > 1e-9),
  st.floats(1e-45, 1e38),
)
@example(HARDEST, 1.0)
@example(-HARDEST, 0.25)
@example(0.966, 1.0)
@example(2.0**-22, 2.0**-140)
@example(0.5, 2.0**-149)
@example(-0.5, 1e-200)
@example(0.5, 1e38)
def test_numbers_are_exact_and_rounded_once(chance, scale):
  check(chance, scale)


def test_numbers_near_a_middle(hard):
  """Many of them would be the middle itself in float64."""
  assert (rounded_twice(hard) != exact.normal(hard, 1.0)).any()
  for chance in hard.tolist():
    check(chance, 1.0)


@pytest.mark.parametrize('scale', [1.0, 1 / np.sqrt(20)])
@pytest.mark.parametrize(
  'change',
  [
    lambda z: z * (1 + 1e-13),
    lambda z: z * (1 - 1e-13),
    lambda z: z + 5e-16,
    lambda z: z - 5e-16,
  ],
)
def test_errors_of_scipy_change_no_bit(hard, scale, change, monkeypatch):
  many = np.random.default_rng(1).uniform(-0.966, 0.966, 10_000)
  chances = np.concatenate([hard, many, [1e-7, 1e-6, 1e-5]])
  ours, twice = exact.normal(chances, scale), rounded_twice(chances)
  erfinv = special.erfinv
  monkeypatch.setattr(special, 'erfinv', lambda y: change(erfinv(y)))
  assert (rounded_twice(chances) != twice).any()
  np.testing.assert_array_equal(exact.normal(chances, scale), ours)


def test_scipy_is_as_exact_as_is_assumed():
  """There is a factor of 100 to spare."""
  chances = np.concatenate(
    [np.geomspace(2.0**-22, 0.5, 100), np.linspace(-0.966, 0.966, 200)]
  )
  theirs = np.sqrt(2) * special.erfinv(chances)
  for chance, number in zip(chances.tolist(), theirs.tolist(), strict=True):
    error = abs(decimals.normal(Decimal(chance), 40) - Decimal(number))
    assert error < normals._TRUST / 100 * (abs(number) + 2.0**-10)


@pytest.mark.parametrize('scale', [1e-300, 1e-3, 1.0])
def test_a_chance_of_zero(scale):
  assert exact.normal(np.zeros(1), scale).tolist() == [0]


def test_a_bad_guess_is_corrected():
  [right] = exact.normal(np.array([-0.3]), 1e-3)
  for steps in (-3, -1, 1, 3):
    guess = right * np.float32(1 + steps * 2.0**-23)
    assert normals._normal(-0.3, 1e-3, guess) == right


def test_a_guess_of_zero():
  assert normals._is_above(0.5, 1.0, -0.9)
  assert normals._normal(0.5, 2.0**-151, np.float32(0)) == 0
  assert normals._normal(0.5, 2.0**-149, np.float32(0)) == 2.0**-149


def test_no_number_is_above_a_far_middle(monkeypatch):
  """The bounds of the series are too narrow for these, so it is not used."""
  monkeypatch.setattr(normals, '_series', None)
  for middle in (2.1214, 20.0, 1e38):
    assert not normals._is_above(0.966, 1.0, middle)


@given(st.floats(1e-9, 1.5, exclude_max=True), st.sampled_from([64, 100, 256]))
@example(1.4999999, 64)
def test_bounds_enclose_the_series(argument, bits):
  low, high = normals._series(Fraction(argument) ** 2, bits)
  with decimal.localcontext(prec=120):
    chance = decimals.chance(Decimal(argument) * Decimal(2).sqrt(), 100)
    series = chance * decimals.pi(120).sqrt() / 2 / Decimal(argument)
  assert low < Fraction(series) * 2**bits < high


def test_bounds_that_disagree_are_computed_again(monkeypatch):
  """With 64 bits, it is not known on which side of a middle this one is."""
  seen = []
  series = normals._series
  monkeypatch.setattr(
    normals,
    '_series',
    lambda square, bits: seen.append(bits) or series(square, bits),
  )
  check(HARDEST, 1.0)
  assert 128 in seen
