"""JSON files read into dataclasses, whoever wrote them."""

from __future__ import annotations

import json
import pathlib
import typing

_T = typing.TypeVar('_T')


def load_json(path: pathlib.Path, cls: type[_T]) -> _T:
  """Reads the one object of a file into a dataclass.

  Raises:
    OSError: if the file cannot be read.
    ValueError: naming the file and the field, unless it holds the fields of
      `cls`, all of them and no others, in the annotated types.
  """
  try:
    fields = json.loads(path.read_text())
  except (ValueError, RecursionError) as error:
    raise ValueError(f'{path.name} is no JSON: {error}') from error
  kinds = typing.get_type_hints(cls)
  if not isinstance(fields, dict) or fields.keys() != kinds.keys():
    raise ValueError(
      f'{path.name} must hold the fields {", ".join(kinds)}, and no others'
    )
  for name, kind in kinds.items():
    if not _is_a(fields[name], kind):
      expected = kind.__name__ if isinstance(kind, type) else kind
      raise ValueError(
        f'{name}={fields[name]!r:.60} in {path.name} must be {expected}'
      )
  return cls(**fields)


def _is_a(value, kind) -> bool:
  """Whether a JSON value is of an annotated type."""
  origin, arguments = typing.get_origin(kind), typing.get_args(kind)
  if origin is list:
    return isinstance(value, list) and all(
      _is_a(v, arguments[0]) for v in value
    )
  if origin is tuple:
    return (
      isinstance(value, list)
      and len(value) == len(arguments)
      and all(map(_is_a, value, arguments))
    )
  if origin is dict:
    return isinstance(value, dict) and all(
      _is_a(v, arguments[1]) for v in value.values()
    )
  return kind is object or type(value) is kind
