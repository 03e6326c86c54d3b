"""Powers and logarithms, rounded once."""

import decimal
import math

import numpy as np
from jaxtyping import Float64

from . import rounding

# The decimal digits with which a logarithm is first computed. A float64 has 17.
_DIGITS = 30


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
  low = 1 << rounding.BITS
  for t in range(1, count + 1):
    # Each product is rounded down by less than 1, and the base makes older
    # errors smaller. So the sum of the errors is less than t.
    low = low * numerator >> shift
    if low + t <= 1 << rounding.BITS - 54:
      break
    power = rounding.agreed(low, low + t)
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
