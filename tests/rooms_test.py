"""The rooms: which package may import which, and how large modules may be."""

import ast
import pathlib
from collections.abc import Iterator

import pytest

from linac_config.shadowed import OURS as PACKAGES
from tests.conftest import REPOSITORY

# The packages that each package may import.
PACKAGE_ARROWS = {
  'linac_config': set(),
  'transforms': {'linac_config'},
  # `linac_tfds.linac` is that of `transforms`, imported when first used.
  'linac_tfds': {'linac_config', 'transforms'},
  'classifiers': {'linac_config', 'transforms', 'linac_tfds'},
  'pipelines': {'linac_config', 'transforms', 'linac_tfds'},
  'linac_cli': {'linac_config', 'pipelines', 'classifiers'},
}
_BELOW_COMMANDS = {
  'errors',
  'command_line',
  'runners',
  'preparation',
  'worker',
  'dataset',
  'plan',
  'files',
  'verification',
  'reporting',
}
_DATASETS = {'errors', 'worker', 'dataset', 'plan', 'files'}
_LEARNING = {'command_line', 'data', 'network', 'defence'}
# The rooms that each room of a package may import; the commands come first.
ROOM_ARROWS = {
  'pipelines': {
    'build': _BELOW_COMMANDS,
    'status': _BELOW_COMMANDS,
    'verify': _BELOW_COMMANDS,
    'report': _BELOW_COMMANDS,
    'command_line': _DATASETS | {'runners', 'preparation'},
    'runners': _DATASETS,
    'preparation': {'errors', 'dataset', 'plan', 'files'},
    'verification': _DATASETS,
    'reporting': _DATASETS,
    'worker': {'errors', 'dataset', 'plan', 'files'},
    'dataset': {'errors', 'plan', 'files'},
    'plan': {'errors', 'files'},
    'files': {'errors'},
    'errors': set(),
  },
  'classifiers': {
    'train': _LEARNING | {'training'},
    'evaluate': _LEARNING | {'evaluation'},
    'attack': _LEARNING | {'attacks', 'evaluation'},
    'import_published': _LEARNING,
    'attacks': {'data', 'network', 'defence'},
    'evaluation': {'data', 'network', 'defence'},
    'training': {'data', 'network', 'defence'},
    'defence': {'network'},
    'network': set(),
    'data': set(),
    'command_line': set(),
  },
}
MODULES = [
  path.relative_to(REPOSITORY)
  for package in PACKAGES
  for path in sorted((REPOSITORY / package).rglob('*.py'))
]


def imported(path: pathlib.Path) -> Iterator[tuple[str, ...]]:
  """The modules of this project that a module imports, also late ones."""
  for node in ast.walk(ast.parse((REPOSITORY / path).read_text())):
    names = []
    if isinstance(node, ast.Import):
      names = [alias.name for alias in node.names]
    elif isinstance(node, ast.ImportFrom) and not node.level:
      names = [f'{node.module}.{alias.name}' for alias in node.names]
    for name in names:
      parts = tuple(name.split('.'))
      if parts[0] in PACKAGES:
        yield parts


@pytest.mark.parametrize('path', MODULES, ids=str)
def test_imports_go_one_way(path):
  package, *rooms = path.with_suffix('').parts
  for target in imported(path):
    if target[0] != package:
      assert target[0] in PACKAGE_ARROWS[package], target
    elif package in ROOM_ARROWS and rooms != ['__init__']:
      assert rooms[0] in ROOM_ARROWS[package], f'{rooms[0]} is no known room'
      assert target[1] in {rooms[0], *ROOM_ARROWS[package][rooms[0]]}, target


def test_only_the_dispatcher_starts_both_commands_and_classifiers():
  """Nothing imports `linac_cli`, and only it imports `pipelines`."""
  for path in MODULES:
    if path.parts[0] not in ('pipelines', 'linac_cli'):
      assert not any(t[0] == 'pipelines' for t in imported(path)), path
    if path.parts[0] != 'linac_cli':
      assert not any(t[0] == 'linac_cli' for t in imported(path)), path


def test_every_room_says_what_it_is_for():
  for path in MODULES:
    if path.name == '__init__.py':
      docstring = ast.get_docstring(ast.parse((REPOSITORY / path).read_text()))
      assert docstring, path


def test_folders_and_modules_and_functions_fit_a_newcomers_head():
  folders = {}
  for path in MODULES:
    text = (REPOSITORY / path).read_text()
    assert text.count('\n') <= 300, path
    folders.setdefault(path.parent, []).append(path)
    for node in ast.walk(ast.parse(text)):
      if isinstance(node, ast.FunctionDef):
        first, *rest = node.body
        start = (rest or [first])[0] if ast.get_docstring(node) else first
        lines = node.end_lineno - start.lineno + 1
        assert lines <= 50, f'{path}: {node.name} has {lines} lines'
  for folder, paths in folders.items():
    assert len(paths) <= 12, f'{folder} has {len(paths)} modules'
