"""The link between the processes of a local build: variables, marks, exits.

The process of the command starts the driver, and the driver starts the workers.
"""

import contextlib
import os
import sys
import threading
import time
from typing import NoReturn

import psutil

# Environment variables of drivers and workers: the UUIDs of the GPUs to
# distribute among workers, separated by commas.
GPUS = 'LINAC_GPUS'
# The least severe messages that they log, INFO or WARNING.
LOG_LEVEL = 'LINAC_LOG_LEVEL'
# The start of the line in a driver's output that says why it failed.
REASON = 'REASON: '
# The start of the line that holds the totals of the workers' metrics, as JSON.
METRICS = 'METRICS: '
# The exit status of a driver that lost a worker.
WORKER_DIED = 70


def tell(mark: str, text: str) -> None:
  """Sends a marked line to the process that started this driver.

  The workers write into the same pipe. So the line is sent by a single write,
  and starts with a newline in case a worker has not ended its last line.

  Args:
    mark: `REASON` or `METRICS`.
    text: The rest of the line.
  """
  os.write(sys.stderr.fileno(), f'\n{mark}{text}\n'.encode())


def fail(reason: str, status: int = 1) -> NoReturn:
  """Sends the reason of a failure and ends this process at once.

  Nothing is closed in order before: if a thread could not be started, some
  objects of Beam and gRPC would wait for it forever.

  Args:
    reason: The reason, in a line.
    status: The exit status.
  """
  try:
    tell(REASON, reason)
  finally:
    os._exit(status)


def end_with(pid: int) -> None:
  """Starts a thread that ends this process soon after process `pid` ends."""
  parent = psutil.Process(pid)

  def watch():
    # is_running is false, too, if another process has got the same id since.
    with contextlib.suppress(psutil.NoSuchProcess):
      while parent.is_running() and parent.status() != psutil.STATUS_ZOMBIE:
        time.sleep(1)
    os._exit(1)

  threading.Thread(target=watch, name='end_with_parent', daemon=True).start()
