"""Text files are in UTF-8, in whatever locale a program runs.

Without an explicit encoding, Python reads and writes them in the locale's.
"""

import ast
from collections.abc import Iterator

import pytest

from linac_config.shadowed import OURS
from tests.conftest import REPOSITORY

_FOLDERS = (*OURS, 'examples')
# The first one writes in UTF-8, and the second one opens no text.
_OTHERS = ('storage.write_text', 'Image.open')


def opens_text(call: ast.Call) -> bool:
  """Whether a call opens or converts text in an encoding that it must name."""
  name = ast.unparse(call.func)
  keywords = {k.arg: ast.unparse(k.value) for k in call.keywords}
  if name in _OTHERS:
    return False
  if name.endswith(('.read_text', '.write_text')):
    return True
  if name == 'open' or name.endswith(('.open', '.fdopen', 'TemporaryFile')):
    modes = [*map(ast.unparse, call.args), keywords.get('mode', '')]
    is_binary = any(mode.strip("'") in ('rb', 'wb', 'ab') for mode in modes)
    # `os.open` gives no file object; temporary files are binary by default.
    is_other = name == 'os.open' or name.endswith('TemporaryFile')
    return not is_binary and (not is_other or 'mode' in keywords)
  # `subprocess` has these two.
  is_text = {'text', 'universal_newlines'} & keywords.keys()
  return any(keywords[k] == 'True' for k in is_text) or (
    name.endswith('TextIOWrapper')
  )


def places(source: str) -> Iterator[int]:
  """Yields the lines of the calls that name no encoding."""
  for node in ast.walk(ast.parse(source)):
    if isinstance(node, ast.Call) and opens_text(node):
      names = {keyword.arg for keyword in node.keywords}
      if 'encoding' not in names:
        yield node.lineno


@pytest.mark.parametrize('folder', _FOLDERS)
def test_every_text_file_has_an_explicit_encoding(folder):
  found = [
    f'{path.relative_to(REPOSITORY)}:{line}'
    for path in sorted((REPOSITORY / folder).rglob('*.py'))
    for line in places(path.read_text(encoding='utf-8'))
  ]
  assert not found, f"These calls need encoding='utf-8': {found}"


@pytest.mark.parametrize(
  ('call', 'found'),
  [
    ('open(path)', True),
    ("open(path, 'w')", True),
    ("open(path, 'rb')", False),
    ("path.open(mode='r')", True),
    ("path.open('wb')", False),
    ('path.read_text()', True),
    ("path.write_text('x', encoding='utf-8')", False),
    ("storage.write_text(path, 'x')", False),
    ('subprocess.run(command, text=True)', True),
    ("subprocess.run(command, encoding='utf-8')", False),
    ('subprocess.run(command)', False),
    ('os.open(path, os.O_RDONLY)', False),
    ('tempfile.TemporaryFile()', False),
    ("tempfile.TemporaryFile(mode='w')", True),
  ],
)
def test_finds_the_calls(call, found):
  assert bool(list(places(call))) is found
