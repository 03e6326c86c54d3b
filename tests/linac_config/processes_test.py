"""Tests that processes import this project and no modules of the user's."""

import os
import subprocess
import sys
import types

import pytest

from linac_config import processes
from tests.conftest import REPOSITORY
from tests.users_folder import put_modules

OURS = str(REPOSITORY)


@pytest.fixture
def folders(tmp_path, monkeypatch):
  """Two empty folders; this process is in the first one."""
  for name in ('here', 'there'):
    (tmp_path / name).mkdir()
  monkeypatch.chdir(tmp_path / 'here')
  return str(tmp_path / 'here'), str(tmp_path / 'there')


def test_the_current_folder_is_left_out(folders, monkeypatch):
  here, there = folders
  monkeypatch.setattr(sys, 'path', ['', here, there, OURS])
  assert processes.import_path() == [there, OURS]


def test_the_folder_of_a_script_is_left_out(folders, monkeypatch):
  _, there = folders
  script = types.ModuleType('__main__')
  script.__file__ = os.path.join(there, 'script.py')
  monkeypatch.setitem(sys.modules, '__main__', script)
  monkeypatch.setattr(sys, 'path', [there, OURS])
  assert processes.import_path() == [OURS]
  # A module that is run with -m can lie among the libraries.
  script.__spec__ = types.SimpleNamespace(name='script')
  assert processes.import_path() == [there, OURS]


def test_a_checkout_that_is_the_current_folder_stays(monkeypatch):
  monkeypatch.chdir(REPOSITORY)
  monkeypatch.setattr(sys, 'path', ['', '/usr/lib'])
  assert processes.import_path() == ['/usr/lib', OURS]
  monkeypatch.setattr(sys, 'path', [OURS, '/usr/lib'])
  assert processes.import_path() == [OURS, '/usr/lib']


def test_this_project_comes_before_what_would_hide_it(
  folders, tmp_path, monkeypatch
):
  _, there = folders
  put_modules(tmp_path / 'there', 'transforms')
  monkeypatch.setattr(sys, 'path', ['/usr/lib', there, OURS])
  assert processes.import_path() == ['/usr/lib', OURS, there]


def test_a_process_finds_this_project_and_no_module_of_the_user(
  folders, tmp_path
):
  put_modules(tmp_path / 'here', 'transforms', 'linac_config', 'queue')
  command, variables = processes.python_module('linac_cli', '--version')
  run = subprocess.run(
    command, env=os.environ | variables, capture_output=True, text=True
  )
  assert run.stdout.startswith('linac ')
  code = 'import queue, transforms; print(transforms.__file__)'
  run = subprocess.run(
    [*command[:2], '-c', code],
    env=os.environ | variables,
    capture_output=True,
    text=True,
  )
  assert run.stdout.strip() == f'{OURS}/transforms/__init__.py'


@pytest.mark.parametrize(
  ('output', 'words'),
  [
    ('', ''),
    ('sh: 1: exec: python: not found\n', 'sh: 1: exec: python: not found'),
    (
      'Traceback (most recent call last):\n  File "a.py", line 1, in f\n'
      '    raise Odd\n\npackage.Odd: a=1\nanother process\n'
      'Traceback (most recent call last):\n  File "b.py"\ngrpc.RpcError\n',
      'package.Odd: a=1',
    ),
    (
      'F1127 23:32:51.885096    9266 flags.cc:234] Unknown flag: --x\nlater',
      'Unknown flag: --x',
    ),
    (
      "terminate called after throwing an instance of 'std::system_error'\n"
      '  what():  Resource temporarily unavailable\n',
      'Resource temporarily unavailable',
    ),
    (
      'Fatal Python error: Segmentation fault\n\nThread 0x1:\n  File "a.py"\n',
      'Fatal Python error: Segmentation fault',
    ),
  ],
)
def test_the_last_words_of_a_process_are_its_reason(output, words):
  assert processes.last_words(output) == words
