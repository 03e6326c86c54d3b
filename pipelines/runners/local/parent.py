"""What the processes of a local build know of one another."""

import contextlib
import os
import sys
import threading
import time

import psutil

# Environment variables for workers: their driver's process id.
DRIVER_PID = 'LINAC_DRIVER_PID'
# The GPUs to share out among workers, separated by commas.
GPUS = 'LINAC_GPUS'
# What they log: INFO or WARNING, and what is graver.
LOG_LEVEL = 'LINAC_LOG_LEVEL'
# Marks the line of a driver's log that says why it failed.
REASON = 'REASON: '
# Marks the line that says what its workers counted, as JSON.
METRICS = 'METRICS: '
# Exit status of a driver that lost a worker.
WORKER_DIED = 70


def tell(mark: str, text: str) -> None:
  """Tells the process that follows this driver something, on a line of its own.

  Others write into the same pipe: this is one write, and begins after what they
  may have left unfinished.
  """
  os.write(sys.stderr.fileno(), f'\n{mark}{text}\n'.encode())


def end_with(pid: int) -> None:
  """Watches process `pid` from a thread; ends this process soon after it."""
  parent = psutil.Process(pid)

  def watch():
    # is_running also tells a reused pid from the process it was.
    with contextlib.suppress(psutil.NoSuchProcess):
      while parent.is_running() and parent.status() != psutil.STATUS_ZOMBIE:
        time.sleep(1)
    os._exit(1)

  threading.Thread(target=watch, name='end_with_parent', daemon=True).start()
