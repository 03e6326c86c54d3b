"""Normal numbers, rounded once to float32.

SciPy's inverse of the error function is fast, and its float64 results are
wrong by a few units in the last place at most. So nearly all of them are
rounded to the right float32. The few that lie near the middle of two float32
numbers are compared with this middle, and there SciPy is not used.

It is not proved that a comparison ends, because nobody knows whether such a
number can be a middle. None of the 2**23 numbers that can be drawn for a hidden
layer of the default transform is one, and 64 bits are enough for all of them.
"""

from fractions import Fraction

import numpy as np
from jaxtyping import Float32, Float64
from scipy import special

from . import trigonometry

# SciPy is trusted to compute a standard normal number z with an error below
# `_TRUST * (|z| + 2**-10)`. The errors of SciPy 1.17 are below `2**-50 * |z|`.
# Releases that compute `erfinv(y)` from `(y + 1) / 2` have errors below `2**-50
# * (|z| + 2**-10)`. So a factor of 1,000 is left, and it costs little time.
_TRUST = 2.0**-40

# A comparison with a middle begins with this number of bits. Few need more.
_BITS = 64


def normal(
  chances: Float64[np.ndarray, 'n'], scale: float
) -> Float32[np.ndarray, 'n']:
  """Returns `sqrt(2) * erfinv(y) * scale` for each chance y, rounded once.

  This is the number z, times the scale, for which |y| is the chance that a
  standard normal number lies between -|z| and |z|. It has the sign of y.

  Args:
    chances: Numbers from -0.966 to 0.966, so that |z| < 2.12.
    scale: A positive number below 1e38, so that no result is infinite.
  """
  near = np.sqrt(2) * special.erfinv(chances)
  error = _TRUST * (np.abs(near) + 2.0**-10)
  low, high = (((near + e) * scale).astype(np.float32) for e in (-error, error))
  # Rounding is monotonic. So equal bounds are the result.
  for i in np.flatnonzero(low != high):
    high[i] = _normal(float(chances[i]), scale, np.float32(near[i] * scale))
  return high


def _normal(chance: float, scale: float, near: np.float32) -> np.float32:
  """Returns the same as `normal` for one chance.

  Args:
    chance: The chance.
    scale: The scale.
    near: A number that is near the result. If it is not, this takes long.
  """
  # The absolute value of the result is sought.
  near = np.abs(near)
  while _is_above(chance, scale, _middle(near, np.inf)):
    near = np.nextafter(near, np.float32(np.inf))
  while not _is_above(chance, scale, _middle(near, -np.inf)):
    near = np.nextafter(near, np.float32(-np.inf))
  return np.copysign(near, np.float32(chance))


def _middle(number: np.float32, end: float) -> float:
  """Returns the middle of a float32 number and its neighbour, which is exact.

  Args:
    number: The number.
    end: The infinity on the side of the neighbour.
  """
  return (float(number) + float(np.nextafter(number, np.float32(end)))) / 2


def _is_above(chance: float, scale: float, middle: float) -> bool:
  """Returns whether `sqrt(2) * erfinv(|chance|) * scale` is above a middle.

  It is if |chance| is above the error function of `x = middle / (sqrt(2) *
  scale)`. This function is `2 / sqrt(pi) * x * s`, where s is the series below.
  So `pi / 2 * chance**2` is compared with `2 * x**2 * s**2`, of which all but
  pi and s are fractions.
  """
  if middle <= 0:
    return True
  square = (Fraction(middle) / Fraction(scale)) ** 2 / 2
  if square >= 9 / 4:
    return False  # The error function of 3 / 2 is above 0.966.
  bits = _BITS
  while True:
    half_pi = trigonometry.half_pi(bits)
    low, high = _series(square, bits)
    factor = Fraction(chance) ** 2 / square / 2 * 2**bits
    if factor * (half_pi - 2) >= high**2:
      return True
    if factor * (half_pi + 2) <= low**2:
      return False
    bits *= 2


def _series(square: Fraction, bits: int) -> tuple[int, int]:
  """Returns bounds of the sum of `(-square)**n / (n! * (2n + 1))`.

  In units of 2**-bits, a power divided by the factorial is wrong by less than
  1, 2.2, 2.7 for n from 1 to 3, and then less and less: each is wrong by less
  than `square / n` times the error of the one before, plus 1. Divided by
  `2n + 1`, each is wrong by less than 2. There are fewer than bits / 2, and
  what the series leaves out is less than 2. So the sum is wrong by less than
  `bits + 2`.

  Args:
    square: The square of the argument, below 9 / 4.
    bits: The number of bits of the unit, at least 64.
  """
  numerator, denominator = square.as_integer_ratio()
  total = power = 1 << bits
  n = 0
  while power:
    n += 1
    power = power * numerator // (denominator * n)
    term = power // (2 * n + 1)
    total += -term if n % 2 else term
  return total - bits - 2, total + bits + 2
