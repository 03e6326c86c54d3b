"""The lock: one build of a config at a time on disk, tried with processes."""

import fcntl
import json
import os
import pathlib
import subprocess
import sys
import threading

import pytest

from pipelines.errors import BuildError
from pipelines.files import lock
from pipelines.files.lock import only_build_in

# A program that holds the lock until its input ends.
HOLD = """
import pathlib, sys
from pipelines.files import lock
with lock.only_build_in(pathlib.Path(sys.argv[1])):
  print('held', flush=True)
  sys.stdin.read()
"""
# A program that shares locks, as a worker does, until its input ends. Then it
# makes the file that its first argument names.
SHARE = """
import pathlib, sys
from pipelines.files import lock
lock.share(sys.argv[2:])
print('shared', flush=True)
sys.stdin.read()
pathlib.Path(sys.argv[1]).touch()
"""


def start(code: str, *arguments: pathlib.Path) -> subprocess.Popen:
  """Starts a process, and waits for the line it prints once it has the lock."""
  process = subprocess.Popen(
    [sys.executable, '-c', code, *map(str, arguments)],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
  )
  assert process.stdout.readline()
  return process


@pytest.fixture
def folder(tmp_path) -> pathlib.Path:
  return tmp_path / 'cifar10_linac' / 'seed_1'


def test_the_lock_outlives_those_it_refuses(folder):
  with start(HOLD, folder) as holder:
    for _ in range(2):
      with pytest.raises(BuildError, match=f'Another .*`kill {holder.pid}`'):
        only_build_in(folder).__enter__()
      assert folder.exists()
    holder.communicate('')
  assert not folder.parent.exists()
  with only_build_in(folder):
    assert folder.exists()
  assert not folder.parent.exists()


def test_a_build_that_waits_begins_when_the_other_has_ended(folder, capsys):
  with start(HOLD, folder) as holder:
    # Whether the other build succeeds or dies makes no difference.
    killed = threading.Event()
    threading.Timer(0.3, lambda: (killed.set(), holder.kill())).start()
    with only_build_in(folder, wait=True):
      assert killed.is_set()
  assert f'Waiting for process {holder.pid} on ' in capsys.readouterr().err


def test_processes_are_alone_in_a_block_one_after_the_other(tmp_path, capsys):
  with start(HOLD, tmp_path / 'data') as holder:
    killed = threading.Event()
    threading.Timer(0.3, lambda: (killed.set(), holder.kill())).start()
    with lock.alone_in(tmp_path / 'data', 'prepares a source'):
      assert killed.is_set()
  error = 'Waiting for another process, which prepares a source.\n'
  assert capsys.readouterr().err == error


def test_the_files_of_a_killed_build_do_not_block(folder):
  with start(HOLD, folder) as holder:
    holder.kill()
  # It may have been killed before it renamed this file.
  (folder / 'building.json.tmp0123abcd').touch()
  with only_build_in(folder):
    (signed,) = folder.iterdir()
    assert json.loads(signed.read_text())['pid'] == os.getpid()
  assert not folder.parent.exists()


def test_a_build_waits_for_the_workers_of_a_dead_one(
  folder, tmp_path, monkeypatch
):
  ended = tmp_path / 'ended'
  with start(HOLD, folder) as holder:
    worker = start(SHARE, ended, folder)
    holder.kill()
  with worker:
    with monkeypatch.context() as patch:
      patch.setattr(lock, '_PATIENCE', 0)
      with pytest.raises(BuildError, match='what is left of one.*pgrep'):
        only_build_in(folder).__enter__()
    threading.Timer(0.3, worker.stdin.close).start()
    with only_build_in(folder):
      assert ended.exists()


def test_a_worker_holds_the_locks_of_all_its_datasets(
  folder, tmp_path, monkeypatch
):
  monkeypatch.setattr(lock, '_PATIENCE', 0)
  folders = [folder, folder.with_name('with a\nnewline')]
  with start(HOLD, folders[0]) as first, start(HOLD, folders[1]) as second:
    worker = start(SHARE, tmp_path / 'ended', *folders)
    first.kill()
    second.kill()
  with worker:
    for path in folders:
      with pytest.raises(BuildError, match='what is left of one'):
        only_build_in(path).__enter__()
    worker.stdin.close()


def test_a_worker_does_not_join_another_build(folder):
  """A worker may start so late that its own build has ended."""
  folder.mkdir(parents=True)
  handle = os.open(folder, os.O_RDONLY)
  fcntl.flock(handle, fcntl.LOCK_EX)
  with pytest.raises(BlockingIOError):
    lock.share([str(folder)])
  os.close(handle)
