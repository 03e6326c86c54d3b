import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.files import strict_json


@dataclasses.dataclass(frozen=True)
class Inner:
  sizes: tuple[int, int]
  names: list[str]


@dataclasses.dataclass(frozen=True)
class Outer:
  inner: Inner
  pairs: tuple[tuple[str, int], ...]
  rates: dict[str, float]
  limit: int | None = None
  flag: bool = False


OUTER = Outer(Inner((1, 2), ['a']), (('train', 3),), {'x': 0.5}, 7, True)
FIELDS = json.loads(json.dumps(dataclasses.asdict(OUTER)))


@pytest.fixture
def path(tmp_path):
  return tmp_path / 'file.json'


@pytest.mark.parametrize(
  'value', [OUTER, dataclasses.replace(OUTER, limit=None)]
)
def test_a_written_value_is_read_back(path, value):
  path.write_text(json.dumps(dataclasses.asdict(value)))
  assert strict_json.read(path, Outer) == value


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'inner': {'sizes': [1, 2]}}, "Inner .*'names'"),
    ({'surplus': 1}, "Outer .*'surplus'"),
    ({'inner': {'sizes': [1], 'names': []}}, r'\[1\] must have 2 items'),
    ({'inner': {'sizes': [1, 2], 'names': 'ab'}}, "'ab' .* type list"),
    ({'pairs': [['train', '3']]}, "'3' .* type int"),
    ({'pairs': {'train': 3}}, 'type list'),
    ({'rates': {'x': 1}}, '1 must be of type float'),
    ({'limit': True}, 'True must be of type int'),
    ({'limit': 2**63}, 'must fit in 64 bits'),
    ({'flag': None}, 'None must be of type bool'),
  ],
)
def test_other_types_and_fields_are_refused(change, message):
  with pytest.raises(ValueError, match=message):
    strict_json.convert(FIELDS | change, Outer)


@pytest.mark.parametrize(
  ('data', 'message'),
  [
    (b'', 'Expecting value'),
    (b'{"x": 0.5', 'delimiter'),
    (b'{"x": 0.5, "x": 0.5}', 'a key occurs twice'),
    (b'{"x": NaN}', 'nan must be finite'),
    (b'{"x": 1e999}', 'inf must be finite'),
    (b'{"x": ' + b'9' * 5000 + b'}', 'limit'),
    (b'[' * 100_000, 'recursion'),
    (b'{"x": "\xff"}', 'utf-8'),
    (b'null', 'None must be of type dict'),
    (b' ' * strict_json.MAX_BYTES + b'{}', 'more than'),
  ],
)
def test_a_file_that_is_no_such_json_is_named(path, data, message):
  path.write_bytes(data)
  with pytest.raises(ValueError, match=f'file.json .*{message}'):
    strict_json.read(path, dict[str, float])


JSON = st.recursive(
  st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
  lambda values: st.lists(values) | st.dictionaries(st.text(), values),
  max_leaves=8,
)


@given(st.fixed_dictionaries(dict.fromkeys(FIELDS, JSON) | {'inner': JSON}))
def test_arbitrary_json_is_a_value_error(fields):
  with pytest.raises(ValueError, match='must|lacks'):
    strict_json.convert(fields, Outer)
