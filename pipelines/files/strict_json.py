"""Reads JSON files strictly: a value of the type asked for, or an error.

A file that is read may be cut short, of another release or written by somebody
else. It is data: nothing in it is run, and nothing half right comes out.
"""

from __future__ import annotations

import dataclasses
import json
import math
import pathlib
import types
import typing
from collections.abc import Callable

# Manifests hold about 100 bytes an example: enough for 160,000 in a shard.
MAX_BYTES = 2**24


def read(path: pathlib.Path, kind):
  """The value of type `kind` that a JSON file holds.

  Args:
    path: of the file.
    kind: as `convert` takes it.

  Raises:
    OSError: if the file cannot be read.
    ValueError: naming the file and what is wrong with its contents.
  """
  data = read_bytes(path)
  try:
    value = json.loads(data.decode(), object_pairs_hook=_without_duplicates)
    return convert(value, kind)
  except (ValueError, RecursionError) as error:  # The latter from `[[[[...`.
    raise ValueError(f'{path} is not valid: {error}') from error


def read_bytes(path: pathlib.Path, most: int = MAX_BYTES) -> bytes:
  """The contents of a file that holds at most so many bytes.

  Raises:
    OSError: if it cannot be read.
    ValueError: naming it, if it holds more.
  """
  with path.open('rb') as f:
    data = f.read(most + 1)
  if len(data) > most:
    raise ValueError(f'{path} has more than {most:,} bytes.')
  return data


def upgraded(value: dict, schema: int, upgrade: Callable[[dict], dict]) -> dict:
  """The contents of a file of any schema so far, less its schema's number.

  Args:
    value: The contents of the file. Those of version 1.0 have no `schema`.
    schema: The number of today's schema.
    upgrade: Turns contents of version 1.0 into today's.

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
  if value['schema'] != schema:
    raise ValueError(
      f'its schema is {value["schema"]!r:.80}, and this version of the project '
      f'reads {schema}. Update the project.'
    )
  return {k: v for k, v in value.items() if k != 'schema'}


def plain(value):
  """A value as it looks when it was written and read again."""
  return json.loads(json.dumps(value))


def convert(value, kind):
  """A value as `json` reads it, checked and made one of type `kind`.

  Args:
    value: of the types that `json` knows.
    kind: a dataclass, whose fields must all be there and no others; `str`,
      `int` of 64 bits, finite `float`, `bool`, `dict`; or a list, tuple, dict
      or union with None of these.

  Raises:
    ValueError: naming what is of another type.
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
    # `list[int]` and `tuple[int, ...]` have any length, `tuple[int, int]` 2.
    kinds = args if args[1:] not in ((), (...,)) else args[:1] * size
    if len(kinds) != size:
      raise ValueError(f'{value!r:.80} must have {len(kinds)} items.')
    return origin(map(convert, value, kinds))
  return _plain(value, kind)


def _dataclass(value, kind):
  hints = typing.get_type_hints(kind)
  if _plain(value, dict).keys() != hints.keys():
    wrong = sorted(value.keys() ^ hints.keys())
    raise ValueError(f'{kind.__name__} lacks or has no field {wrong!r:.80}.')
  return kind(**{k: convert(value[k], hint) for k, hint in hints.items()})


def _plain(value, kind: type):
  # Exactly, because True is an int, too.
  if type(value) is not kind:
    raise ValueError(f'{value!r:.80} must be of type {kind.__name__}.')
  if kind is float and not math.isfinite(value):
    raise ValueError(f'{value} must be finite.')
  if kind is int and not -(2**63) <= value < 2**63:
    raise ValueError(f'{value!r:.80} must fit in 64 bits.')
  return value


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict:
  value = dict(pairs)
  if len(value) < len(pairs):
    raise ValueError('a key occurs twice.')
  return value
