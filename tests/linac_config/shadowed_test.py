"""Tests that modules which hide ours or Python's are found and reported."""

import queue
import sys

import pytest

from linac_config import shadowed
from tests.conftest import REPOSITORY
from tests.users_folder import put_modules


@pytest.mark.parametrize('name', [*shadowed.OURS, 'queue', 'random', 'json'])
def test_nothing_hides_what_is_loaded_here(name):
  assert shadowed.hiding(name) is None


def test_what_is_no_concern_of_ours_is_left_alone(tmp_path, monkeypatch):
  put_modules(tmp_path, 'numpy', 'sys', 'os', 'distutils')
  monkeypatch.syspath_prepend(tmp_path)
  for name in ('numpy', 'sys', 'os', 'distutils', 'nosuch'):
    monkeypatch.delitem(sys.modules, name, raising=False)
    assert shadowed.hiding(name) is None


@pytest.mark.parametrize('kind', ['module', 'package', 'folder'])
def test_a_module_of_a_users_is_found(tmp_path, monkeypatch, kind):
  found = tmp_path / 'transforms'
  if kind == 'module':
    put_modules(tmp_path, 'transforms')
    found = tmp_path / 'transforms.py'
  else:
    found.mkdir()
  if kind == 'package':
    found = found / '__init__.py'
    found.touch()
  # This project comes later on the path, or is not on it at all.
  others = [p for p in sys.path if p not in ('', '.', str(REPOSITORY))]
  monkeypatch.setattr(sys, 'path', [str(tmp_path), *others])
  monkeypatch.delitem(sys.modules, 'transforms', raising=False)
  own = str(REPOSITORY / 'transforms' / '__init__.py')
  assert shadowed.hiding('transforms') == (str(found), own)
  with pytest.raises(ImportError) as error:
    shadowed.check('linac_config', 'transforms')
  assert str(found) in str(error.value)
  assert own in str(error.value)


def test_an_import_that_failed_is_explained(tmp_path, monkeypatch):
  put_modules(tmp_path, 'queue', 'random')
  monkeypatch.syspath_prepend(tmp_path)
  monkeypatch.delitem(sys.modules, 'queue')
  try:
    import queue as theirs  # noqa: F401
  except RuntimeError as error:
    with pytest.raises(ImportError, match=f'{tmp_path}/queue.py.*hides') as e:
      shadowed.explain(error)
    assert queue.__file__ in str(e.value)
  # An error that did not come from one of these modules is not explained.
  shadowed.explain(ValueError('else'))
