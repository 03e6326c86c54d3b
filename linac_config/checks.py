"""Checks of the types of a configuration's fields."""

from __future__ import annotations

import math
import numbers
import operator
import reprlib


def as_int(name: str, value) -> int:
  """Converts a field's value to an int.

  Raises:
    ValueError: if the value is no integer. The message names the field.
  """
  try:
    if isinstance(value, bool):
      raise TypeError
    return operator.index(value)
  except TypeError:
    raise ValueError(f'{name}={shown(value)} must be an integer.') from None


def as_float(name: str, value) -> float:
  """Converts a field's value to a finite float.

  Raises:
    ValueError: if the value is no finite number. The message names the field.
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
  """Converts a field's value to one finite number per channel; keeps None.

  Raises:
    ValueError: if the value is neither None, a finite number nor a sequence of
      them. The message names the field.
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
  """Returns a value as text for a message, shortened if it is long."""
  try:
    return reprlib.repr(value)
  except ValueError:  # Python does not print integers of over 4,300 digits.
    return 'an integer of thousands of digits'
