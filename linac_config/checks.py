"""Checks of the types of a configuration's fields."""

from __future__ import annotations

import math
import numbers
import operator
import reprlib


def as_int(name: str, value) -> int:
  """The value as an int.

  Raises:
    ValueError: naming the field, if the value is no integer.
  """
  try:
    if isinstance(value, bool):
      raise TypeError
    return operator.index(value)
  except TypeError:
    raise ValueError(f'{name}={shown(value)} must be an integer.') from None


def as_float(name: str, value) -> float:
  """The value as a finite float.

  Raises:
    ValueError: naming the field, if the value is no finite number.
  """
  try:
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
      raise TypeError
    result = float(value)
  except (TypeError, OverflowError):
    raise ValueError(f'{name}={shown(value)} must be a number.') from None
  if not math.isfinite(result):
    raise ValueError(f'{name}={value} must be finite.')
  return result


def as_constants(name: str, value) -> tuple[float, ...] | None:
  """One finite number per channel, or None.

  Raises:
    ValueError: naming the field, if the value is neither.
  """
  if value is None:
    return None
  if isinstance(value, numbers.Real):
    value = (value,)
  try:
    constants = tuple(as_float(name, v) for v in value)
  except TypeError:
    constants = ()
  if not constants:
    raise ValueError(f'{name}={shown(value)} must hold one number per channel.')
  return constants


def shown(value) -> str:
  """The value as text for a message, shortened."""
  try:
    return reprlib.repr(value)
  except ValueError:  # Python prints no integer of more than 4,300 digits.
    return 'an integer of thousands of digits'
