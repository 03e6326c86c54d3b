"""A worker process: Beam's SDK worker with a GPU or a core of its own.

It takes its device before JAX looks for one. Two workers that are pinned to two
cores fit 1.6 times as fast as two that the system moves from core to core.
"""

import multiprocessing
import os
import sys
from multiprocessing.connection import Connection

from apache_beam.runners.worker import sdk_worker_main

from pipelines.files import lock
from pipelines.runners.local import devices, parent

# The first task then begins at once. None of these modules starts a thread or
# takes a device, so the driver imports them before it makes its workers.
from pipelines.worker import device, task  # noqa: F401


def main(pipe: Connection) -> None:
  """Waits for the driver, then works until the build ends.

  Args:
    pipe: The pipe on which the driver sends the folders that the build has
      locked, and the variables that Beam's SDK worker reads.
  """
  driver = multiprocessing.parent_process().pid
  parent.end_with(driver)
  folders, variables = pipe.recv()
  lock.share(folders)
  os.environ.update(variables)
  work()


def work() -> None:
  """Takes a device and works; the variables of Beam's SDK worker are set."""
  # Beam numbers the workers of a run: worker_0, worker_1, ...
  devices.take_device(int(os.environ['WORKER_ID'].rpartition('_')[2]))
  sdk_worker_main.main(sys.argv)
  # The work is done. When Python ends in order, threads of C++ libraries abort
  # now and then. That would look like a worker that died, and would hide the
  # real reason of a build that failed.
  os._exit(0)
