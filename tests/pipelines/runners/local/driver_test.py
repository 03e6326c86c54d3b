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
driver.main([str(os.getppid()), '1'])
"""


@pytest.mark.parametrize('function', ['fails', 'fails_in_a_thread'])
def test_a_driver_that_has_told_its_reason_is_gone(function):
  # Beam and gRPC have objects that wait for threads which never started.
  variables = {parent.LOG_LEVEL: 'WARNING', parent.GPUS: ''}
  driver = subprocess.run(
    [sys.executable, '-c', PROGRAM.format(function=function)],
    env=os.environ | variables,
    input='[]',
    capture_output=True,
    text=True,
    timeout=60,
  )
  assert driver.returncode == 1
  reason = f"{parent.REASON}RuntimeError: can't start new thread"
  assert driver.stderr.splitlines()[-1] == reason
