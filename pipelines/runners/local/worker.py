"""A worker process: Beam's SDK worker with a GPU or a core of its own.

It takes its device before JAX is imported. Two pinned workers on two cores fit
1.6 times as fast as two that the scheduler moves about.
"""

import os
import sys

from pipelines.files import lock
from pipelines.runners.local import parent


def main() -> None:
  lock.share()
  parent.end_with(int(os.environ[parent.DRIVER_PID]))
  # Beam numbers the workers of a run: worker_0, worker_1, ...
  take_device(int(os.environ['WORKER_ID'].rpartition('_')[2]))
  from apache_beam.runners.worker import sdk_worker_main

  sdk_worker_main.main(sys.argv)
  # All is done. Taken down in order, threads of C++ now and then abort, which
  # would read as a worker's death and hide why a build failed.
  os._exit(0)


def take_device(index: int) -> None:
  """Gives this process the GPU or the core of its number."""
  if gpus := os.environ.get(parent.GPUS):
    gpus = gpus.split(',')
    os.environ['CUDA_VISIBLE_DEVICES'] = gpus[index % len(gpus)]
  elif hasattr(os, 'sched_setaffinity'):  # Linux only.
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[index % len(cores)]})


if __name__ == '__main__':
  main()
