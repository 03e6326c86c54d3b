"""The rounding of a number between two bounds."""

import math
from collections.abc import Callable
from typing import NamedTuple


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
BITS = 256
# Integers, between which a number lies, in units of 2**-bits.
Bounds = Callable[[int], tuple[int, int]]


def rounded(bounds: Bounds, target: Format) -> float:
  """Returns the float that is nearest to a number between bounds."""
  bits = 2 * target.digits + 16
  while True:
    low, high = (_nearest(bound, bits, target) for bound in bounds(bits))
    if low == high:
      return low
    bits *= 2


def agreed(low: int, high: int) -> float | None:
  """Returns the float64 that both bounds are rounded to, or else None."""
  # Python rounds large integers correctly, and the scaling is exact.
  nearest = float(low)
  return math.ldexp(nearest, -BITS) if nearest == float(high) else None


def _nearest(number: int, bits: int, target: Format) -> float:
  """Returns the float nearest to `number * 2**-bits`, the even one of two."""
  dropped = max(number.bit_length() - target.digits, target.least + bits)
  if dropped <= 0:
    return math.ldexp(number, -bits)
  half_or_less = (1 << dropped - 1) - 1 + (number >> dropped & 1)
  return math.ldexp(number + half_or_less >> dropped, dropped - bits)
