"""Functions whose results are exact values, rounded once.

The sines, powers and logarithms of NumPy and of C libraries are not correctly
rounded, and their last bits differ between machines. The functions here compute
with integers and decimal numbers, which are the same everywhere.

No number of guard digits is taken on trust. Each function computes two bounds
of the exact value. If both are rounded to the same float, so is the value,
because rounding is monotonic. Otherwise the bounds are computed again with
twice as many digits. This ends, because the exact value is irrational or is
one that the first bounds or a special case find.
"""

import decimal
import functools
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64


class Format(NamedTuple):
  """An IEEE binary format to which results are rounded.

  Attributes:
    digits: The number of significant bits.
    least: The exponent of the smallest positive number, a power of two.
  """

  digits: int
  least: int


FLOAT32 = Format(24, -149)
FLOAT64 = Format(53, -1074)

# The numbers of a sequence are computed in units of 2**-256. For 2**28 steps,
# their errors are below 2**66 units, which is 2**-190. The spacing of the
# floats that they are rounded to is at least 2**-107. So bounds hardly ever
# have to be computed again, except for powers exactly between two floats.
_BITS = 256
# The decimal digits with which a logarithm is first computed. A float64 has 17.
_DIGITS = 30

# Integers, between which a number lies, in units of 2**-bits.
_Bounds = Callable[[int], tuple[int, int]]


def sine(angle: float, target: Format) -> float:
  """Returns the sine of an angle, rounded once.

  Args:
    angle: The angle in radians: any finite float.
    target: The format that the result has, as a Python float.
  """
  if not angle:
    return angle  # Bounds of zero would never be rounded to the same float.
  return _rounded(lambda bits: _cosine(*_reduced(angle, bits, -1)), target)


def cosine(angle: float, target: Format) -> float:
  """Returns the cosine of an angle, rounded once.

  Args:
    angle: The angle in radians: any finite float.
    target: The format that the result has, as a Python float.
  """
  return _rounded(lambda bits: _cosine(*_reduced(angle, bits, 0)), target)


def half_turn(steps: int) -> Float64[np.ndarray, '{steps}']:
  """Returns `cos(pi * j / steps)` for j from 0 to `steps - 1`, rounded once."""
  rising = np.fromiter(_quarter_turn(steps), np.float64, count=(steps + 1) // 2)
  middle = np.zeros(1 - steps % 2)  # Where j is half of the steps.
  return np.concatenate([rising, middle, -rising[:0:-1]])


def powers(base: float, count: int) -> Float64[np.ndarray, '{count}']:
  """Returns `base**t` for t from 1 to `count`, rounded once.

  Powers below 2**-54 are returned as 0. Both leave 1 as it is when they are
  subtracted from it.

  Args:
    base: A float in [0, 1).
    count: The number of powers.
  """
  numerator, denominator = base.as_integer_ratio()
  shift = denominator.bit_length() - 1
  values = np.zeros(count)
  low = 1 << _BITS
  for t in range(1, count + 1):
    # Each product is rounded down by less than 1, and the base makes older
    # errors smaller. So the sum of the errors is less than t.
    low = low * numerator >> shift
    if low + t <= 1 << _BITS - 54:
      break
    power = _agreed(low, low + t)
    # A power can lie exactly between two floats. The quotient of two integers
    # is correctly rounded.
    values[t - 1] = numerator**t / denominator**t if power is None else power
  return values


def log10(number: float) -> float:
  """Returns the decimal logarithm of a number, rounded once to float64.

  Args:
    number: A positive number, infinity or NaN, which are returned as they are.
  """
  if not math.isfinite(number):
    return number
  digits = _DIGITS
  while True:
    context = decimal.Context(prec=digits)
    nearest = context.log10(decimal.Decimal(number))
    if float(context.next_minus(nearest)) == float(context.next_plus(nearest)):
      return float(nearest)
    digits *= 2


def _rounded(bounds: _Bounds, target: Format) -> float:
  """Returns the float that is nearest to a number between bounds."""
  bits = 2 * target.digits + 16
  while True:
    low, high = (_nearest(bound, bits, target) for bound in bounds(bits))
    if low == high:
      return low
    bits *= 2


def _nearest(number: int, bits: int, target: Format) -> float:
  """Returns the float nearest to `number * 2**-bits`, the even one of two."""
  dropped = max(number.bit_length() - target.digits, target.least + bits)
  if dropped <= 0:
    return math.ldexp(number, -bits)
  half_or_less = (1 << dropped - 1) - 1 + (number >> dropped & 1)
  return math.ldexp(number + half_or_less >> dropped, dropped - bits)


def _agreed(low: int, high: int) -> float | None:
  """Returns the float64 that both bounds are rounded to, or else None."""
  # Python rounds large integers correctly, and the scaling is exact.
  nearest = float(low)
  return math.ldexp(nearest, -_BITS) if nearest == float(high) else None


def _quarter_turn(steps: int) -> Iterator[float]:
  """Yields `cos(pi * j / steps)` for j below half of the steps.

  The cosines follow from each other: `cos((j + 1) x)` is `2 cos(x) cos(j x) -
  cos((j - 1) x)`. The first one is wrong by at most 2**9 units, and so each
  product by less than 2**11. An error in one cosine makes the n-th after it
  wrong by at most n times as much, since `|sin(n x) / sin(x)| <= n`. In sum the
  j-th is wrong by at most `2**11 * j**2`.
  """
  first = sum(_cosine(*_turned(1, steps, _BITS))) >> 1
  before, now = first, 1 << _BITS
  for j in range((steps + 1) // 2):
    error = j * j << 11
    cosine = _agreed(now - error, now + error)
    yield _exact_turn(j, steps) if cosine is None else cosine
    before, now = now, (2 * first * now >> _BITS) - before


def _exact_turn(j: int, steps: int) -> float:
  """Returns `cos(pi * j / steps)`, which must not be 0."""
  return _rounded(lambda bits: _cosine(*_turned(j, steps, bits)), FLOAT64)


def _reduced(angle: float, bits: int, turns: int) -> tuple[int, int, int]:
  """Reduces an angle in radians.

  Args:
    angle: The angle.
    bits: The number of bits of the unit, 2**-bits.
    turns: The number of quarter turns to add.

  Returns:
    The number of quarter turns in the angle; the rest, of which the absolute
    value is at most pi / 4, in units and wrong by less than 4; and the bits.
  """
  # An angle is less than 2**extra, and has at most as many quarter turns. Each
  # is wrong by less than 2**(1 - extra) units, so all are by less than 2.
  extra = max(math.frexp(angle)[1], 0)
  numerator, denominator = angle.as_integer_ratio()
  fixed = (numerator << bits + extra) // denominator
  quarter = _quarter(bits + extra)
  quarters, rest = divmod(fixed + quarter // 2, quarter)
  return quarters + turns, rest - quarter // 2 >> extra, bits


def _turned(j: int, steps: int, bits: int) -> tuple[int, int, int]:
  """Reduces the angle `pi * j / steps`; returns the same as `_reduced`."""
  quarters, rest = divmod(2 * j + steps // 2, steps)
  return quarters, _quarter(bits) * (rest - steps // 2) // steps, bits


def _cosine(quarters: int, rest: int, bits: int) -> tuple[int, int]:
  """Returns bounds of the cosine of an angle that is reduced.

  The first two terms of a series are wrong by less than 4 and 6 units. Each of
  the others, fewer than bits / 4 + 2, is wrong by less than 2. The sum of these
  errors is less than 2 * bits, since there are at least 64 bits.
  """
  square = rest * rest >> bits
  first = (rest, 1) if quarters % 2 else (1 << bits, 0)
  value = _series(*first, square, bits)
  if quarters % 4 in (1, 2):
    value = -value
  return value - 2 * bits, value + 2 * bits


def _series(first: int, power: int, square: int, bits: int) -> int:
  """Returns the sum of Taylor's series of a sine or a cosine.

  Args:
    first: The first term.
    power: The power of the angle in the first term.
    square: The square of the angle, in units like the terms.
    bits: The number of bits of the unit.
  """
  total = term = first
  while term:
    power += 2
    term = -(term * square >> bits) // (power * (power - 1))
    total += term
  return total


@functools.cache
def _quarter(bits: int) -> int:
  """Returns `pi / 2` in units of 2**-bits, wrong by less than 2.

  It follows Machin: pi / 4 is 4 arctan(1 / 5) - arctan(1 / 239).
  """
  guard = bits.bit_length() + 8  # Each term is wrong by less than 2 units.
  one = 1 << bits + guard
  return 8 * _arctangent(5, one) - 2 * _arctangent(239, one) >> guard


def _arctangent(inverse: int, one: int) -> int:
  """Returns the arctangent of `1 / inverse`, in the unit of `one`."""
  total, power, n = 0, one // inverse, 1
  while power:
    total += power // n
    power, n = power // -(inverse * inverse), n + 2
  return total
