"""The lease: one build of a config at a time in a bucket."""

import dataclasses
import json
import subprocess
import sys
import threading

import pytest

from pipelines.errors import BuildError
from pipelines.files import lease
from pipelines.files.build_process import BUILD_PROCESS_FILE, BuildProcess
from pipelines.files.lock import only_build_in

# A program that holds the lease until its input ends.
HOLD = """
import sys
from pipelines.files import lock, storage
with lock.only_build_in(storage.path(sys.argv[1])):
  print('held', flush=True)
  sys.stdin.read()
"""


@pytest.fixture
def folder(bucket):
  return bucket.root / 'cifar10_linac' / 'seed_1'


def write(folder, process: BuildProcess) -> None:
  """Writes a lease that a process holds, as if that process had done it."""
  text = json.dumps(dataclasses.asdict(process))
  folder.fs.pipe_file(f'{folder}/{BUILD_PROCESS_FILE}', text.encode())


def start(folder) -> subprocess.Popen:
  """Starts a process that holds the lease, and waits until it has it."""
  process = subprocess.Popen(
    [sys.executable, '-c', HOLD, str(folder)],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
  )
  assert process.stdout.readline()
  return process


def test_the_second_build_is_refused_and_the_first_leaves_no_trace(folder):
  with start(folder) as holder:
    with pytest.raises(BuildError, match=f'process {holder.pid} on '):
      only_build_in(folder).__enter__()
    holder.communicate('')
  assert not folder.exists()
  with only_build_in(folder):
    pass


def test_a_build_that_waits_begins_when_the_other_has_ended(
  folder, capsys, monkeypatch
):
  monkeypatch.setattr(lease, '_SECONDS_BETWEEN_LOOKS', 0.1)
  with start(folder) as holder:
    killed = threading.Event()
    threading.Timer(0.3, lambda: (killed.set(), holder.kill())).start()
    with only_build_in(folder, wait=True):
      assert killed.is_set()
  assert f'Waiting for process {holder.pid} on ' in capsys.readouterr().err


def test_the_lease_of_a_killed_process_does_not_block(folder):
  with start(folder) as holder:
    holder.kill()
    holder.communicate()
  with only_build_in(folder):
    assert (
      json.loads((folder / BUILD_PROCESS_FILE).read_text())['pid'] != holder.pid
    )


def test_a_lease_of_another_machine_blocks_until_it_ends(folder, monkeypatch):
  write(folder, BuildProcess(1, 'another-host', 'yesterday'))
  with pytest.raises(BuildError, match='on another-host, since yesterday'):
    only_build_in(folder).__enter__()
  monkeypatch.setattr(lease, '_EXPIRY', 0)
  with only_build_in(folder):
    assert 'another-host' not in (folder / BUILD_PROCESS_FILE).read_text()


def test_a_damaged_lease_does_not_block(folder):
  folder.fs.pipe_file(f'{folder}/{BUILD_PROCESS_FILE}', b'{')
  with only_build_in(folder):
    pass


def test_a_request_whose_answer_is_lost_still_takes_the_lease(bucket, folder):
  bucket.fail('lose answer', 'POST .*ifGenerationMatch', times=1)
  with only_build_in(folder):
    pass
  assert bucket.faults_left() == 0


def test_a_lease_is_renewed(folder, monkeypatch):
  monkeypatch.setattr(lease, '_RENEWAL', 0)
  with only_build_in(folder):
    file = folder / BUILD_PROCESS_FILE
    first = file.fs.info(str(file))['generation']
    while file.fs.info(str(file))['generation'] == first:
      pass
