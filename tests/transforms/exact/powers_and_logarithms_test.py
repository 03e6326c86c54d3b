"""Tests powers by fractions, and logarithms by integers."""

import itertools
import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from transforms import exact
from transforms.exact import powers_and_logarithms, rounding


@pytest.mark.parametrize(
  'base',
  [0.0, 5e-324, 2.0**-54, 0.25, 0.5, 0.9, 0.99, 1 - 2.0**-24, 1 - 2.0**-53],
)
def test_powers(base):
  check_powers(base, 60)


@given(st.floats(0, 1, exclude_max=True))
@example(1 - 2.0**-27)
def test_powers_of_any_base(base):
  check_powers(base, 12)


def check_powers(base: float, count: int):
  powers = exact.powers(base, count).tolist()
  assert len(powers) == count
  for t, power in enumerate(powers, start=1):
    true = Fraction(base) ** t
    # The quotient of two integers is correctly rounded.
    assert power == (float(true) if true >= Fraction(1, 2**54) else 0)


@pytest.mark.parametrize('base', [0.999, 1 - 2.0**-24, 1 - 2.0**-53])
def test_high_powers(base):
  powers = exact.powers(base, 30_000)
  for t in (10_000, 29_999, 30_000):
    true = Decimal(base) ** t  # To 28 digits.
    assert powers[t - 1] == float(true)


def test_powers_between_two_floats_go_to_the_even_one():
  assert exact.powers(1 - 2.0**-27, 2)[1] == 1 - 2.0**-26
  odd = 2**18 - 1
  assert odd**3 % 4 == 3
  assert exact.powers(1 - 2.0**-18, 3)[2] == (odd**3 + 1) * 2.0**-54


def test_bounds_that_disagree_are_computed_again(monkeypatch):
  powers = exact.powers(0.99, 300)
  logarithms = [exact.log10(number) for number in powers]
  monkeypatch.setattr(rounding, 'BITS', 64)
  monkeypatch.setattr(powers_and_logarithms, '_DIGITS', 5)
  np.testing.assert_array_equal(exact.powers(0.99, 300), powers)
  assert [exact.log10(number) for number in powers] == logarithms


def test_logarithms_of_powers_of_ten():
  """Up to `10**22` they are floats."""
  assert [exact.log10(float(10**k)) for k in range(23)] == list(range(23))


@given(st.floats(5e-324, exclude_min=False, allow_infinity=False))
@example(5e-324)
@example(2.0**-1022)
@example(1 - 2.0**-53)
@example(1 + 2.0**-52)
@example(1e-4)
@example(1.7976931348623157e308)
def test_logarithms(number):
  result = exact.log10(number)
  true = logarithm(number)
  distance = abs(true - Fraction(result))
  for end in (-math.inf, math.inf):
    other = Fraction(math.nextafter(result, end))
    assert distance <= abs(true - other)


def logarithm(number: float) -> Fraction:
  """Returns a decimal logarithm, computed with integers, to 390 bits."""
  mantissa, exponent = math.frexp(number)
  two = -natural(Fraction(1, 2))
  ten = 4 * two + natural(Fraction(10, 16))
  return (natural(Fraction(mantissa)) + exponent * two) / ten


def natural(number: Fraction) -> Fraction:
  """Returns the natural logarithm of a number from 1/2 to 1."""
  ratio = (number - 1) / (number + 1)
  one = 1 << 400
  power = math.floor(ratio * one)
  square = math.floor(ratio * ratio * one)
  total = 0
  for n in itertools.count(1, 2):
    if abs(power) <= 1:
      return Fraction(2 * total, one)
    total += power // n
    power = power * square >> 400


def test_logarithms_of_what_is_no_number():
  assert exact.log10(math.inf) == math.inf
  assert math.isnan(exact.log10(math.nan))
