"""The driver process of a local build: runs the pipeline on FnApiRunner.

Started by `launch`, as `python -m pipelines.runners.local.driver PARENT WORKERS
STAGING...`.
"""

import json
import logging
import os
import shlex
import sys
import threading
import traceback

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms.environments import SubprocessSDKEnvironment

from linac_config import processes
from pipelines.errors import reason_of
from pipelines.files import lock
from pipelines.runners.local import parent
from pipelines.runners.local.parent import (
  DRIVER_PID,
  GPUS,
  LOG_LEVEL,
  WORKER_DIED,
)
from pipelines.runners.pipeline import Workers, build_datasets
from pipelines.worker import metrics


def main(argv: list[str]) -> int:
  """Returns the exit status."""
  caller, num_workers, *stagings = argv
  lock.share()
  parent.end_with(int(caller))
  os.environ[DRIVER_PID] = str(os.getpid())
  threading.excepthook = _end_when_a_worker_died
  # Its advice on the running mode does not know of our own environment.
  logging.getLogger('apache_beam.runners.portability').setLevel(logging.ERROR)

  # Workers inherit this process's environment.
  command, _ = processes.python_module('pipelines.runners.local.worker')
  runner = FnApiRunner(
    default_environment=SubprocessSDKEnvironment.from_command_string(
      f'exec {shlex.join(command)}'
    )
  )
  level = os.environ[LOG_LEVEL]
  logging.getLogger().setLevel(level)
  options = PipelineOptions(
    [],
    direct_num_workers=int(num_workers),
    default_sdk_harness_log_level=level,
  )
  try:
    with beam.Pipeline(runner=runner, options=options) as root:
      build_datasets(root, stagings, Workers(bool(os.environ[GPUS])))
  except Exception as error:
    traceback.print_exc()
    parent.tell(parent.REASON, reason_of(error))
    return 1
  parent.tell(parent.METRICS, json.dumps(metrics.totals(root.result)))
  return 0


def _end_when_a_worker_died(args: threading.ExceptHookArgs) -> None:
  """Ends the run: Beam would wait for ever for a worker that is gone.

  Beam's thread that waits for a worker process raises when it fails.
  """
  if args.thread and args.thread.name == 'run_worker':
    parent.tell(parent.REASON, str(args.exc_value))
    # The other workers follow this process.
    os._exit(WORKER_DIED)
  threading.__excepthook__(args)


if __name__ == '__main__':
  status = main(sys.argv[1:])
  # All is done and told. Taken down in order, Beam's threads take a second.
  os._exit(status)
