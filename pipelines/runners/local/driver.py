"""The driver process of a local build, which runs the pipeline on FnApiRunner.

`launch` starts it as `python -m pipelines.runners.local.driver PARENT WORKERS`,
with its own process id and the number of workers. When the build is planned, it
writes the staging folders of the datasets, as JSON, to the driver's input.
"""

import gc

if __name__ == '__main__':
  # Almost all objects that the imports make stay. To look for garbage among
  # them again and again would take a fifth of their time.
  gc.disable()

import contextlib
import json
import logging
import os
import sys
import threading
import traceback

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipelines.errors import reason_of
from pipelines.files import lock, storage
from pipelines.runners.local import parent, workers
from pipelines.runners.local.parent import (
  GPUS,
  LOG_LEVEL,
  WORKER_DIED,
)
from pipelines.runners.pipeline import Workers, build_datasets
from pipelines.worker import metrics


def main(argv: list[str]) -> None:
  """Runs the pipeline.

  The reason of a failure, which ends this process, or the totals of the metrics
  go to the process that started this one.
  """
  try:
    _run(*map(int, argv))
  except Exception as error:
    # The process that reads this may be gone.
    with contextlib.suppress(OSError):
      traceback.print_exc()
    # Python would wait for the workers, and these wait for the pipeline.
    parent.fail(reason_of(error))


def _run(caller: int, num_workers: int) -> None:
  """Makes the workers, waits for the plans and runs the pipeline.

  Args:
    caller: The id of the process that started this one.
    num_workers: The number of workers.
  """
  # Workers share the memory of those objects as long as nobody looks there.
  gc.freeze()
  gc.enable()
  waiting = workers.start(num_workers)
  if not (planned := sys.stdin.read()):
    return  # The build ended before it had a plan.
  stagings = json.loads(planned)
  folders = [str(storage.path(staging).parent) for staging in stagings]
  lock.share(folders)
  parent.end_with(caller)
  threading.excepthook = _end_when_a_thread_died
  # Beam would advise another running mode, since it does not know that this
  # environment starts a process for each worker.
  logging.getLogger('apache_beam.runners.portability').setLevel(logging.ERROR)

  runner = FnApiRunner(
    default_environment=workers.environment(waiting, folders)
  )
  level = os.environ[LOG_LEVEL]
  logging.getLogger().setLevel(level)
  options = PipelineOptions(
    [],
    direct_num_workers=num_workers,
    default_sdk_harness_log_level=level,
  )
  with beam.Pipeline(runner=runner, options=options) as root:
    fitting = Workers(bool(os.environ[GPUS]), num_workers)
    build_datasets(root, stagings, fitting)
  parent.tell(
    parent.METRICS, json.dumps(metrics.totals(root.result), allow_nan=False)
  )


def _end_when_a_thread_died(args: threading.ExceptHookArgs) -> None:
  """Ends this process if a thread of Beam's died, for which Beam would wait.

  The thread that starts a worker process raises an exception when the process
  fails. Other threads die if there is no memory or no further thread for them.
  """
  if args.thread and args.thread.name == 'run_worker':
    # The other workers notice that this process is gone, and end, too.
    parent.fail(str(args.exc_value), WORKER_DIED)
  threading.__excepthook__(args)
  if isinstance(args.exc_value, MemoryError | RuntimeError):
    parent.fail(reason_of(args.exc_value))


if __name__ == '__main__':
  main(sys.argv[1:])
  # The work is done and its result is sent. To end Beam's threads in order
  # would take another second.
  os._exit(0)
