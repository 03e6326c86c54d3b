"""Sines and cosines, rounded once."""

import functools
import math
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float64

from . import rounding


def sine(angle: float, target: rounding.Format) -> float:
  """Returns the sine of an angle, rounded once.

  Args:
    angle: The angle in radians: any finite float.
    target: The format that the result has, as a Python float.
  """
  if not angle:
    return angle  # Bounds of zero would never be rounded to the same float.
  return rounding.rounded(
    lambda bits: _cosine(*_reduced(angle, bits, -1)), target
  )


def cosine(angle: float, target: rounding.Format) -> float:
  """Returns the cosine of an angle, rounded once.

  Args:
    angle: The angle in radians: any finite float.
    target: The format that the result has, as a Python float.
  """
  return rounding.rounded(
    lambda bits: _cosine(*_reduced(angle, bits, 0)), target
  )


def half_turn(steps: int) -> Float64[np.ndarray, '{steps}']:
  """Returns `cos(pi * j / steps)` for j from 0 to `steps - 1`, rounded once."""
  rising = np.fromiter(_quarter_turn(steps), np.float64, count=(steps + 1) // 2)
  middle = np.zeros(1 - steps % 2)  # Where j is half of the steps.
  return np.concatenate([rising, middle, -rising[:0:-1]])


def _quarter_turn(steps: int) -> Iterator[float]:
  """Yields `cos(pi * j / steps)` for j below half of the steps.

  The cosines follow from each other: `cos((j + 1) x)` is `2 cos(x) cos(j x) -
  cos((j - 1) x)`. The first one is wrong by at most 2**9 units, and so each
  product by less than 2**11. An error in one cosine makes the n-th after it
  wrong by at most n times as much, since `|sin(n x) / sin(x)| <= n`. In sum the
  j-th is wrong by at most `2**11 * j**2`.
  """
  first = sum(_cosine(*_turned(1, steps, rounding.BITS))) >> 1
  before, now = first, 1 << rounding.BITS
  for j in range((steps + 1) // 2):
    error = j * j << 11
    cosine = rounding.agreed(now - error, now + error)
    yield _exact_turn(j, steps) if cosine is None else cosine
    before, now = now, (2 * first * now >> rounding.BITS) - before


def _exact_turn(j: int, steps: int) -> float:
  """Returns `cos(pi * j / steps)`, which must not be 0."""
  return rounding.rounded(
    lambda bits: _cosine(*_turned(j, steps, bits)), rounding.FLOAT64
  )


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
  quarter = half_pi(bits + extra)
  quarters, rest = divmod(fixed + quarter // 2, quarter)
  return quarters + turns, rest - quarter // 2 >> extra, bits


def _turned(j: int, steps: int, bits: int) -> tuple[int, int, int]:
  """Reduces the angle `pi * j / steps`; returns the same as `_reduced`."""
  quarters, rest = divmod(2 * j + steps // 2, steps)
  return quarters, half_pi(bits) * (rest - steps // 2) // steps, bits


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
def half_pi(bits: int) -> int:
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
