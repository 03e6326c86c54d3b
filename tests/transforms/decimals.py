"""Functions of decimal numbers, to check results that have few digits."""

import decimal
import functools
from decimal import Decimal

import numpy as np

_GUARD = 20


@functools.cache
def pi(digits: int) -> Decimal:
  """Returns pi, computed as the recipes of `decimal` do."""
  with decimal.localcontext(prec=digits + _GUARD):
    total = term = Decimal(3)
    n, nominator, d, denominator = 1, 0, 0, 24
    before = Decimal(0)
    while total != before:
      before = total
      n, nominator = n + nominator, nominator + 8
      d, denominator = d + denominator, denominator + 32
      term = term * n / d
      total += term
    return total


def cosine(angle: Decimal, digits: int, quarters: int = 0) -> Decimal:
  """Returns the cosine of `angle + quarters * pi / 2`.

  Args:
    angle: The angle in radians.
    digits: The number of decimals to compute with, including those of a large
      angle's integer part.
    quarters: The number of quarter turns to add; -1 gives the sine.
  """
  with decimal.localcontext(prec=digits):
    rest = (angle + quarters * pi(digits) / 2) % (2 * pi(digits))
    total, term, n = Decimal(0), Decimal(1), 0
    while total + term != total:
      total += term
      n += 2
      term *= -rest * rest / (n * (n - 1))
    return total


def chance(number: Decimal, digits: int) -> Decimal:
  """Returns the error function of a number divided by the root of 2.

  For a number z it is the chance that a standard normal number lies between -z
  and z. The terms of this series are all positive: `z**(2n + 1)` divided by the
  product of the odd numbers up to `2n + 1`.
  """
  with decimal.localcontext(prec=digits + _GUARD):
    total, term, n = Decimal(0), number, 1
    while total + term != total:
      total += term
      n += 2
      term *= number * number / n
    return total * _density(number, digits)


def normal(probability: Decimal, digits: int) -> Decimal:
  """Returns the number that has a chance, by Newton's method."""
  with decimal.localcontext(prec=digits + _GUARD):
    number = probability / _density(Decimal(0), digits)
    step = number
    while abs(step) > abs(number) * Decimal(10) ** (-digits // 2):
      distance = probability - chance(number, digits)
      step = distance / _density(number, digits)
      number += step
    return number


def _density(number: Decimal, digits: int) -> Decimal:
  """Returns the derivative of `chance`."""
  return (2 / pi(digits)).sqrt() * (-number * number / 2).exp()


def is_nearest(value: Decimal, result: float, dtype: type) -> bool:
  """Whether no number of a dtype is nearer to a value than a result is."""
  with decimal.localcontext(prec=1200):
    near = dtype(result)
    assert float(near) == result
    distance = abs(value - Decimal(result))
    return all(
      distance <= abs(value - Decimal(float(np.nextafter(near, dtype(end)))))
      for end in (-np.inf, np.inf)
    )
