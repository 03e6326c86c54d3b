"""Makes the worker processes of a local build, before there is a pipeline.

Beam would start a Python for each worker, which imports Beam and JAX for three
seconds. The driver imports them once and, on Linux, makes workers by forking.
"""

import contextlib
import functools
import multiprocessing
import sys
import threading
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from apache_beam.portability import python_urns
from apache_beam.runners.portability.fn_api_runner.worker_handlers import (
  GrpcWorkerHandler,
  WorkerHandler,
)
from apache_beam.transforms.environments import SubprocessSDKEnvironment
from google.protobuf import json_format, text_format

from pipelines.runners.local import worker

# A process that waits for the pipeline, and the pipe to it.
Waiting = tuple[BaseProcess, Connection]


def start(num_workers: int) -> list[Waiting]:
  """Starts worker processes, which wait for the pipeline.

  This process must not have started a thread before.
  """
  # Elsewhere, libraries of the system start threads that do not survive a fork.
  method = 'fork' if sys.platform == 'linux' else 'spawn'
  context = multiprocessing.get_context(method)
  found = []
  for _ in range(num_workers):
    theirs, ours = context.Pipe(duplex=False)
    process = context.Process(target=worker.main, args=(theirs,))
    process.start()
    found.append((process, ours))
  return found


def environment(
  waiting: list[Waiting], folders: list[str]
) -> SubprocessSDKEnvironment:
  """Makes the environment in which a pipeline of this process runs.

  Args:
    waiting: The result of `start`.
    folders: The folders that the build has locked.
  """

  # From here on, FnApiRunner takes these workers where it would start others.
  handler = functools.partial(_Handler, waiting, folders)
  WorkerHandler.register_environment(python_urns.SUBPROCESS_SDK, bytes)(handler)
  return SubprocessSDKEnvironment('')


class _Handler(GrpcWorkerHandler):
  """FnApiRunner's handle of a worker, which calls all of its methods."""

  def __init__(self, waiting: list[Waiting], folders: list[str], _, *grpc):
    super().__init__(*grpc)
    self._process, self._pipe = waiting.pop()
    self._folders = folders
    self._thread = threading.Thread(name='run_worker', target=self._follow)

  def start_worker(self):
    options = self.provision_info.provision_info.pipeline_options
    variables = {
      'WORKER_ID': self.worker_id,
      'PIPELINE_OPTIONS': json_format.MessageToJson(options),
      'CONTROL_API_SERVICE_DESCRIPTOR': text_format.MessageToString(
        self.control_api_service_descriptor()
      ),
      'LOGGING_API_SERVICE_DESCRIPTOR': text_format.MessageToString(
        self.logging_api_service_descriptor()
      ),
    }
    # If the worker has died, the thread says so.
    with contextlib.suppress(BrokenPipeError):
      self._pipe.send((self._folders, variables))
    self._thread.start()

  def stop_worker(self):
    self._thread.join()

  def _follow(self):
    self._process.join()
    if code := self._process.exitcode:
      raise RuntimeError(f'Worker subprocess exited with return code {code}')
