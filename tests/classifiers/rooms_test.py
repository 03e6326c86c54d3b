"""The imports between the rooms of `classifiers` go one way."""

import ast

import pytest

from tests.conftest import REPOSITORY

FOLDER = REPOSITORY / 'classifiers'
# These are the modules and packages that each room may import.
MAY_IMPORT = {
  'command_line': set(),
  'data': set(),
  'network': set(),
  'defence': {'network'},
  'training': {'data', 'network', 'defence'},
  'evaluation': {'data', 'network', 'defence'},
  'attacks': {'data', 'network', 'defence'},
}
COMMANDS = {'train', 'evaluate', 'attack', 'import_published'}
OTHER_PACKAGES = {'linac_config', 'linac_tfds', 'transforms'}
OURS = OTHER_PACKAGES | {'classifiers', 'pipelines', 'linac_cli', 'benchmarks'}


def imported_modules(path) -> set[str]:
  """Returns the dotted names that a module imports, at any place in it."""
  names = set()
  for node in ast.walk(ast.parse(path.read_text())):
    if isinstance(node, ast.Import):
      names |= {alias.name for alias in node.names}
    elif isinstance(node, ast.ImportFrom) and node.module == 'classifiers':
      names |= {f'classifiers.{alias.name}' for alias in node.names}
    elif isinstance(node, ast.ImportFrom):
      names.add(node.module)
  return names


def modules_of(room: str) -> list:
  folder = FOLDER / room
  return sorted(folder.glob('*.py')) or [folder.with_suffix('.py')]


def test_every_module_is_in_a_known_room():
  found = {path.stem for path in FOLDER.iterdir()} - {'__init__', '__pycache__'}
  assert found == MAY_IMPORT.keys() | COMMANDS


@pytest.mark.parametrize('room', MAY_IMPORT)
def test_rooms_import_only_what_they_may(room):
  for path in modules_of(room):
    names = [name.split('.') for name in imported_modules(path)]
    rooms = {name[1] for name in names if name[0] == 'classifiers'}
    assert rooms <= MAY_IMPORT[room] | {room}, path


def test_only_packages_below_are_imported():
  for path in FOLDER.rglob('*.py'):
    packages = {name.partition('.')[0] for name in imported_modules(path)}
    assert packages & OURS <= OTHER_PACKAGES | {'classifiers'}, path


def test_no_command_imports_another():
  for name in COMMANDS:
    imported = imported_modules(FOLDER / f'{name}.py')
    assert not imported & {f'classifiers.{other}' for other in COMMANDS}
