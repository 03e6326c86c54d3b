"""Tests that a driver which fails ends at once, whatever its threads do."""

import os
import subprocess
import sys

import pytest

from pipelines.runners.local import parent

PROGRAM = """
import os, threading, time
from pipelines.runners.local import driver

class Waits:
  def __del__(self):
    time.sleep(600)

def fails(*_):
  waits = Waits()
  raise RuntimeError("can't start new thread")

def fails_in_a_thread(*_):
  thread = threading.Thread(target=fails)
  thread.start()
  thread.join()
  time.sleep(600)

driver.build_datasets = {function}
driver.main([{caller}, '1'])
"""


def run(
  function: str, caller: str, errors: int = subprocess.PIPE
) -> subprocess.CompletedProcess:
  """Runs a driver whose pipeline fails.

  Args:
    function: The name of the function that takes the place of the pipeline.
    caller: The process that started the driver, as an expression in Python.
    errors: The file descriptor of its standard error.
  """
  return subprocess.run(
    [sys.executable, '-c', PROGRAM.format(function=function, caller=caller)],
    env=os.environ | {parent.LOG_LEVEL: 'WARNING', parent.GPUS: ''},
    input='[]',
    stdout=subprocess.PIPE,
    stderr=errors,
    text=True,
    timeout=60,
  )


@pytest.mark.parametrize('function', ['fails', 'fails_in_a_thread'])
def test_a_driver_that_has_told_its_reason_is_gone(function):
  # Beam and gRPC have objects that wait for threads which never started.
  driver = run(function, caller='str(os.getppid())')
  assert driver.returncode == 1
  reason = f"{parent.REASON}RuntimeError: can't start new thread"
  assert driver.stderr.splitlines()[-1] == reason


def test_a_driver_is_gone_if_its_command_was_killed_before_it_looked():
  # Its workers wait for the pipeline, and it must not wait for them.
  ended = subprocess.Popen(['true'])
  ended.wait()
  reader, writer = os.pipe()
  os.close(reader)
  driver = run('fails', caller=repr(str(ended.pid)), errors=writer)
  os.close(writer)
  assert driver.returncode == 1
