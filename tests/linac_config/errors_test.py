"""Tests that only errors about a file's contents call a file damaged."""

import ast
import errno
import json
import tempfile

import pytest
from google.protobuf.message import DecodeError

from linac_config.errors import is_about_contents
from tests.conftest import REPOSITORY
from tests.rooms_test import MODULES


@pytest.mark.parametrize(
  'error',
  [
    json.JSONDecodeError('no value', '{', 1),
    DecodeError('wire type'),
    KeyError('features'),
    RecursionError('[[[['),
    FileNotFoundError('TFDS finds no features.json'),
    FileNotFoundError(errno.ENOENT, 'No such file', '/data/features.json'),
    IsADirectoryError(errno.EISDIR, 'Is a directory', '/data/features.json'),
  ],
  ids=repr,
)
def test_these_errors_are_about_contents(error):
  assert is_about_contents(error)


@pytest.mark.parametrize(
  'error',
  [
    MemoryError(),
    RuntimeError("can't start new thread"),
    ModuleNotFoundError("No module named 'PIL'"),
    DeprecationWarning('as an error'),
    FileNotFoundError(errno.ENOENT, 'No usable temporary directory found'),
    OSError(errno.EMFILE, 'Too many open files', '/data/features.json'),
    OSError(errno.ENOSPC, 'No space left on device'),
    PermissionError(errno.EACCES, 'Permission denied', '/data/features.json'),
  ],
  ids=repr,
)
def test_these_errors_say_nothing_about_contents(error):
  assert not is_about_contents(error)


def test_no_place_for_temporary_files_says_nothing(monkeypatch):
  monkeypatch.setattr(tempfile, 'tempdir', None)
  monkeypatch.setattr(tempfile, '_candidate_tempdir_list', lambda: ['/proc'])
  with pytest.raises(FileNotFoundError) as error:
    tempfile.gettempdir()
  assert not is_about_contents(error.value)


# The functions whose broad handlers call no file damaged: they pass the reason
# on, or raise the error again.
OTHERS = {
  ('classifiers/training/run.py', '_latest_state'),
  ('linac_tfds/__init__.py', '<module>'),
  ('linac_tfds/sources.py', 'locate_source'),
  ('pipelines/files/storage.py', 'writing'),
  ('pipelines/plan/private_key.py', 'read'),
  ('pipelines/runners/beam_runner.py', 'run_pipeline'),
  ('pipelines/runners/local/driver.py', 'main'),
  ('pipelines/worker/prefetch.py', 'map_ahead'),
  ('pipelines/worker/read_source.py', 'read_source'),
  # Too little memory can be the fault of a damaged pickle.
  ('classifiers/network/unpickle.py', 'load_params_and_state'),
}


def handlers(node, name='<module>'):
  """Yields each broad handler below a node, with the name of its function."""
  for child in ast.iter_child_nodes(node):
    if isinstance(child, ast.ExceptHandler) and (
      child.type is None
      or ast.unparse(child.type) in ('Exception', 'BaseException')
    ):
      yield name, ast.unparse(child)
    is_function = isinstance(child, ast.FunctionDef)
    yield from handlers(child, child.name if is_function else name)


def test_every_broad_handler_looks_at_what_it_caught():
  careless = {
    (str(path), name)
    for path in MODULES
    for name, text in handlers(ast.parse((REPOSITORY / path).read_text()))
    if 'is_about_contents(' not in text
  }
  assert careless == OTHERS
