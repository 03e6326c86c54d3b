"""Tests that docstrings first say what a thing is or does.

A summary must not begin with a word like "of" or "what", and an entry of
`Args:` or `Attributes:` must be more than a part of a phrase.
"""

import ast
import pathlib
import re
from collections.abc import Iterator

import pytest

_ROOT = pathlib.Path(__file__).parents[1]
_FOLDERS = (
  'benchmarks',
  'classifiers',
  'deploy',
  'examples',
  'linac_cli',
  'linac_config',
  'linac_tfds',
  'pipelines',
  'tests',
  'transforms',
)
# A summary that begins with one of these words is a riddle or half a phrase.
_NO_SUMMARY = {
  *('as', 'has', 'have', 'how', 'lets', 'likewise', 'of', 'such', 'that'),
  *('what', 'whatever', 'when', 'where', 'which', 'who', 'whoever', 'whose'),
  'why',
}
# An entry names a thing: "config: The transform.", not "config: of the fit.".
_NO_ENTRY = _NO_SUMMARY | {'for', 'to'}
_SECTION = re.compile(r'( *)(Args|Attributes):')
_ENTRY = re.compile(r' *(\*{0,2}\w+): +(.*)')


def _files() -> list[pathlib.Path]:
  return sorted(
    path.relative_to(_ROOT)
    for folder in _FOLDERS
    for path in (_ROOT / folder).rglob('*.py')
  )


def _faults(path: pathlib.Path) -> Iterator[str]:
  """Yields the place and the text of each wrong line of a file's docstrings.

  Args:
    path: The file, relative to the root of the project.
  """
  tree = ast.parse((_ROOT / path).read_text())
  for node in ast.walk(tree):
    if not isinstance(
      node,
      ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef,
    ):
      continue
    docstring = ast.get_docstring(node, clean=False)
    if docstring is None:
      continue
    for offset, text in _wrong_lines(docstring):
      yield f'{path}:{node.body[0].lineno + offset}: {text}'


def _wrong_lines(docstring: str) -> Iterator[tuple[int, str]]:
  """Yields the number and the text of each wrong line of a docstring."""
  lines = docstring.splitlines()
  if lines and _first_word(lines[0]) in _NO_SUMMARY:
    yield 0, lines[0].strip()
  indent = None  # Inside a section, this is the indentation of its heading.
  for number, line in enumerate(lines):
    if heading := _SECTION.fullmatch(line.rstrip()):
      indent = len(heading[1])
    elif indent is not None and line.strip():
      depth = len(line) - len(line.lstrip())
      if depth <= indent:
        indent = None
      elif depth == indent + 2 and _is_wrong_entry(line):
        yield number, line.strip()


def _is_wrong_entry(line: str) -> bool:
  entry = _ENTRY.fullmatch(line)
  return bool(entry and _first_word(entry[2]) in _NO_ENTRY)


def _first_word(text: str) -> str:
  return re.match(r'\W*(\w*)', text)[1].lower()


@pytest.mark.parametrize('folder', _FOLDERS)
def test_docstrings_begin_with_what_a_thing_is_or_does(folder):
  faults = [
    fault
    for path in _files()
    if path.is_relative_to(folder)
    for fault in _faults(path)
  ]
  assert not faults, (
    'These lines begin with a word that says neither what a thing is nor what '
    'it does; write a whole phrase:\n' + '\n'.join(faults)
  )


@pytest.mark.parametrize(
  ('docstring', 'lines'),
  [
    ('Reads a file.', []),
    ('Whether a file is there.', []),
    ('As many as there are.', [0]),
    ('What a file holds.', [0]),
    ('`that` is a word.', [0]),
    ('Reads.\n\n  Args:\n    a: The file.\n    b: of the file.\n', [4]),
    ('Reads.\n\n  Args:\n    *a: for all.\n\n  Raises:\n    E: as is.\n', [3]),
    ('Reads.\n\n  Args:\n    a: A file\n      to: read.\n', []),
  ],
)
def test_finds_the_lines(docstring, lines):
  assert [number for number, _ in _wrong_lines(docstring)] == lines
