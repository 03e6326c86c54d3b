"""A worker process: Beam's SDK worker on one core of its own.

Pinning comes before JAX is imported. Two pinned workers on two cores fit 1.6
times as fast as two that the scheduler moves about.
"""

import os
import sys

from pipelines.local import parent


def main() -> None:
  parent.end_with(int(os.environ[parent.DRIVER_PID]))
  # Beam numbers the workers of a run: worker_0, worker_1, ...
  _pin(int(os.environ['WORKER_ID'].rpartition('_')[2]))
  from apache_beam.runners.worker import sdk_worker_main

  sdk_worker_main.main(sys.argv)


def _pin(index: int) -> None:
  if hasattr(os, 'sched_setaffinity'):  # Linux only.
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[index % len(cores)]})


if __name__ == '__main__':
  main()
