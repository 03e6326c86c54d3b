"""A worker process: Beam's SDK worker with a GPU or a core of its own.

It takes its device before JAX is imported. Two workers that are pinned to two
cores fit 1.6 times as fast as two that the system moves from core to core.
"""

import os
import sys

from pipelines.files import lock
from pipelines.runners.local import parent


def main() -> None:
  """Takes a device, then runs Beam's SDK worker until the build ends."""
  lock.share()
  parent.end_with(int(os.environ[parent.DRIVER_PID]))
  # Beam numbers the workers of a run: worker_0, worker_1, ...
  take_device(int(os.environ['WORKER_ID'].rpartition('_')[2]))
  from apache_beam.runners.worker import sdk_worker_main

  sdk_worker_main.main(sys.argv)
  # The work is done. When Python ends in order, threads of C++ libraries abort
  # now and then. That would look like a worker that died, and would hide the
  # real reason of a build that failed.
  os._exit(0)


def take_device(index: int) -> None:
  """Gives this process a GPU or, on Linux, a core.

  Args:
    index: The number of the worker, from 0. If there are more workers than
      devices, several workers share one.
  """
  if gpus := os.environ.get(parent.GPUS):
    gpus = gpus.split(',')
    os.environ['CUDA_VISIBLE_DEVICES'] = gpus[index % len(gpus)]
  elif hasattr(os, 'sched_setaffinity'):  # Linux only.
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[index % len(cores)]})


if __name__ == '__main__':
  main()
