import pytest

from pipelines.errors import printable


@pytest.mark.parametrize(
  ('text', 'expected'),
  [
    ('two\nlines, größer', 'two\nlines, größer'),
    ('\x1b[2J\x07\r', r'\x1b[2J\x07\r'),
    ('\x9b31m', r'\x9b31m'),
    ('a\u202eb', r'a\u202eb'),
    ('name\udcff', r'name\udcff'),
  ],
)
def test_messages_cannot_steer_a_terminal(text, expected):
  assert printable(text) == expected
