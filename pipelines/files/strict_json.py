"""Reads JSON files strictly: the result is of the expected type, or an error.

A file may be cut short, written by another release of this project, or made up
by somebody else. So it is treated as data, never run, and refused as a whole if
any part of it is wrong.
"""

from __future__ import annotations

import dataclasses
import json
import math
import pathlib
import types
import typing
from collections.abc import Callable

# The largest file that is read. A manifest has about 100 bytes per example, so
# this is enough for a shard of 160,000 examples.
MAX_BYTES = 2**24


def read(path: pathlib.Path, kind):
  """The value of type `kind` that a JSON file holds.

  Args:
    path: The path of the file.
    kind: The expected type, one of those that `convert` accepts.

  Raises:
    OSError: if the file cannot be read.
    ValueError: if the file holds no such value. The message names the file and
      what is wrong with it.
  """
  data = read_bytes(path)
  try:
    value = json.loads(data.decode(), object_pairs_hook=_without_duplicates)
    return convert(value, kind)
  except (ValueError, RecursionError) as error:  # The latter from `[[[[...`.
    raise ValueError(f'{path} is not valid: {error}') from error


def read_bytes(path: pathlib.Path, most: int = MAX_BYTES) -> bytes:
  """The contents of a file that must not be too large.

  Args:
    path: The path of the file.
    most: The largest size that is accepted, in bytes.

  Raises:
    OSError: if the file cannot be read.
    ValueError: if the file is larger; the message names it.
  """
  with path.open('rb') as f:
    data = f.read(most + 1)
  if len(data) > most:
    raise ValueError(f'{path} has more than {most:,} bytes.')
  return data


def upgraded(value: dict, schema: int, upgrade: Callable[[dict], dict]) -> dict:
  """The contents of a file, in the present schema and without its number.

  Args:
    value: The contents of the file, of any schema so far. Those of version 1.0
      have no `schema`.
    schema: The number of the present schema.
    upgrade: A function that turns contents of version 1.0 into present ones.

  Raises:
    ValueError: if a newer version of this project wrote the file, or its
      contents are not those of version 1.0.
  """
  if 'schema' not in value:
    try:
      return upgrade(value)
    except (AttributeError, KeyError, TypeError) as error:
      raise ValueError(
        f'it lacks a field or has a wrong one: {error}'
      ) from error
  number = convert(value['schema'], int)
  if number > schema:
    raise ValueError(
      f'its schema is {number}, and this version of the project reads schemas '
      f'up to {schema}. Update the project.'
    )
  if number != schema:
    raise ValueError(f'its schema is {number}, which no version has written.')
  return {k: v for k, v in value.items() if k != 'schema'}


def plain(value):
  """A value as it is after it was written as JSON and read back.

  Tuples become lists, for example.
  """
  return json.loads(json.dumps(value))


def convert(value, kind):
  """Checks a value that `json` has read, and turns it into the type `kind`.

  Args:
    value: The value, of the types that `json` knows.
    kind: The expected type. It is a dataclass, all of whose fields must be
      present and no others; `str`, `int` (64 bits), `float` (finite), `bool` or
      `dict`; a list, a tuple or a dict of such types; or one of these or None.

  Raises:
    ValueError: if the value is of another type; the message names the part that
      is.
  """
  if dataclasses.is_dataclass(kind):
    return _dataclass(value, kind)
  origin, args = typing.get_origin(kind), typing.get_args(kind)
  if types.NoneType in args:
    return None if value is None else convert(value, args[0])
  if origin is dict:
    return {k: convert(v, args[1]) for k, v in _plain(value, dict).items()}
  if origin in (list, tuple):
    size = len(_plain(value, list))
    # `list[int]` and `tuple[int, ...]` may have any length; `tuple[int, int]`
    # has two items.
    kinds = args if args[1:] not in ((), (...,)) else args[:1] * size
    if len(kinds) != size:
      raise ValueError(f'{value!r:.80} must have {len(kinds)} items.')
    return origin(map(convert, value, kinds))
  return _plain(value, kind)


def _dataclass(value, kind):
  """The instance of a dataclass whose fields a JSON object gives."""
  types_by_field = typing.get_type_hints(kind)
  if _plain(value, dict).keys() != types_by_field.keys():
    wrong = sorted(value.keys() ^ types_by_field.keys())
    raise ValueError(
      f'{kind.__name__} lacks these fields or has too many: {wrong!r:.80}.'
    )
  return kind(**{k: convert(value[k], t) for k, t in types_by_field.items()})


def _plain(value, kind: type):
  """A value, checked to be exactly of a type that JSON has."""
  # `isinstance` would not do, because True is an int, too.
  if type(value) is not kind:
    raise ValueError(f'{value!r:.80} must be of type {kind.__name__}.')
  if kind is float and not math.isfinite(value):
    raise ValueError(f'{value} must be finite.')
  if kind is int and not -(2**63) <= value < 2**63:
    raise ValueError(f'{value!r:.80} must fit in 64 bits.')
  return value


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict:
  """The dict of a JSON object's pairs, which must have different keys."""
  value = dict(pairs)
  if len(value) < len(pairs):
    raise ValueError('a key occurs twice.')
  return value
