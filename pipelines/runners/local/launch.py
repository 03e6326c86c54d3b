"""Starts the driver of a local build and follows it to its end."""

from __future__ import annotations

import collections
import contextlib
import json
import logging
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from typing import IO

from linac_config import processes
from pipelines.errors import BuildError, printable
from pipelines.files import storage
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.runners.local import devices
from pipelines.runners.local.parent import (
  GPUS,
  LOG_LEVEL,
  METRICS,
  REASON,
  WORKER_DIED,
)
from pipelines.runners.progress import Progress

LOG_FILE = 'build.log'
# The number of lines at the end of the log in which a reason is looked for.
_TAIL = 200
_LOGGER = logging.getLogger(__name__)


@contextlib.contextmanager
def started(num_workers: int) -> Iterator[subprocess.Popen]:
  """Starts a driver, which waits for `run`; ends it with the `with` block.

  It starts in a process group of its own, and its workers with it. They import
  Beam and JAX while this process plans the build.

  Args:
    num_workers: The number of worker processes.
  """
  command, imports = processes.python_module(
    'pipelines.runners.local.driver', os.getpid(), num_workers
  )
  with subprocess.Popen(
    command,
    env=os.environ | environment() | imports,
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    # Ctrl-C then reaches only this process, which ends the others.
    start_new_session=True,
  ) as driver:
    try:
      yield driver
    finally:
      if driver.returncode is None:
        _end(driver)


def run(
  driver: subprocess.Popen,
  num_workers: int,
  plans: list[DatasetPlan],
  progress: Progress,
) -> Counter[str]:
  """Builds datasets whose plans are saved in their staging folders.

  Args:
    driver: The driver that `started` made.
    num_workers: The number of its workers.
    plans: The plans of the datasets.
    progress: The progress bar to update.

  Returns:
    The totals of the workers' metrics, by name.

  Raises:
    BuildError: if a worker died or the pipeline failed.
  """
  log = _log_path(plans)
  # The driver marks the lines that are for this process, and the last line of
  # each mark counts.
  messages = {REASON: '', METRICS: '{}'}
  tail = collections.deque(maxlen=_TAIL)
  with open(log, 'wb', buffering=0) as log_file:
    keeper = threading.Thread(
      target=_keep_log,
      args=(driver.stdout, log_file, messages, tail),
      daemon=True,
    )
    try:
      _start(keeper)
      _send(driver, plans)
      while _is_running(driver):
        progress.update()
    except KeyboardInterrupt:
      _remove_temporary(log, plans)
      raise
    finally:
      _end(driver)
      if keeper.ident is not None:
        keeper.join(timeout=10)
  if driver.returncode:
    words = processes.last_words('\n'.join(tail))
    raise BuildError(
      f'{_failure(driver.returncode, messages[REASON], words, num_workers)}\n'
      'Finished shards are kept: run the same command again to continue. The '
      f'log is {log}.'
    )
  _remove_temporary(log, plans)
  return Counter(json.loads(messages[METRICS]))


def _failure(status: int, reason: str, words: str, num_workers: int) -> str:
  """Says why a driver failed.

  Args:
    status: The exit status of the driver, which is negative after a signal.
    reason: The reason that the driver told, or `''`.
    words: The last words in the output of the driver and its workers.
    num_workers: The number of workers.
  """
  words = f' Its last words: {words}' if words else ''
  if status == WORKER_DIED:
    if re.search(r'return code (137|-9)\b', reason):
      return (
        f'A worker process died: {reason}. Most often this means that memory '
        f'was short; then pass a --direct_num_workers below {num_workers}.'
      )
    return f'A worker process died: {reason}.{words}'
  if status == -signal.SIGKILL:  # It had no time for words.
    words = ''
  if not reason:
    end = f'signal {-status}' if status < 0 else f'status {status}'
    reason = f'its driver process ended with {end}.{words}'
  return f'The build failed: {reason}'


def _log_path(plans: list[DatasetPlan]) -> pathlib.Path:
  """The path of the log: in the staging folder, or a new temporary file."""
  plan = plans[0]
  # With several datasets, the staging folder of the first one may be removed
  # long before the build ends.
  if len(plans) > 1 or storage.is_remote(plan.staging):
    file, name = tempfile.mkstemp(prefix='linac-', suffix=f'-{LOG_FILE}')
    os.close(file)
    return pathlib.Path(name)
  return plan.staging / LOG_FILE


def _remove_temporary(log: pathlib.Path, plans: list[DatasetPlan]) -> None:
  """Removes the log if it is a temporary file.

  A log in a staging folder is removed together with that folder.
  """
  if log.parent != plans[0].staging:
    # The system may have cleaned up its temporary files in the meantime.
    log.unlink(missing_ok=True)


def _keep_log(
  lines: IO[bytes],
  log_file: IO[bytes],
  messages: dict,
  tail: collections.deque,
) -> None:
  """Copies the output of the driver and its workers into a file.

  If they wrote into the file themselves, a full disk would stop them.

  Args:
    lines: The output.
    log_file: The file. Lines for which the disk has no room are left out.
    messages: A dict by mark. The last line of the output with each mark is
      stored in it.
    tail: A deque for the last lines that have no mark.
  """
  with lines:
    for line in lines:
      # The disk may be full, or `run` may have closed the file.
      with contextlib.suppress(OSError, ValueError):
        log_file.write(line)
      text = line.decode(errors='replace').rstrip()
      if text:
        _LOGGER.info('%s', printable(text))
      for mark in messages:
        if text.startswith(mark):
          messages[mark] = text.removeprefix(mark)
          break
      else:
        tail.append(text)


def _start(thread: threading.Thread) -> None:
  """Starts a thread.

  Raises:
    BuildError: if the system starts no further one.
  """
  try:
    thread.start()
  except RuntimeError as error:
    raise BuildError(
      f'The build cannot start: {error}. Raise the limit on processes or on '
      'memory.'
    ) from error


def _send(driver: subprocess.Popen, plans: list[DatasetPlan]) -> None:
  """Tells the driver what to build."""
  stagings = json.dumps([str(plan.staging) for plan in plans], allow_nan=False)
  # If the driver has ended already, its output says why.
  with contextlib.suppress(BrokenPipeError), driver.stdin:
    driver.stdin.write(stagings.encode())


def _is_running(driver: subprocess.Popen) -> bool:
  """Waits a moment; whether the driver runs after that."""
  try:
    driver.wait(timeout=0.3)
  except subprocess.TimeoutExpired:
    return True
  return False


def environment() -> dict[str, str]:
  """The environment variables for the processes of a build."""
  return {
    **processes.past_proxies(),
    # TFDS then uses this project's client for buckets, not TensorFlow's.
    'EPATH_USE_TF': 'false',
    # There is a worker per core, so threads of libraries would only compete.
    'OMP_NUM_THREADS': '1',
    'OPENBLAS_NUM_THREADS': '1',
    # If a GPU fails, the build must end and not continue on a core.
    'JAX_PLATFORMS': 'cuda' if devices.gpus() else 'cpu',
    # CUDA then numbers GPUs in the same order as nvidia-smi.
    'CUDA_DEVICE_ORDER': 'PCI_BUS_ID',
    GPUS: ','.join(gpu.uuid for gpu in devices.gpus()),
    LOG_LEVEL: 'INFO' if _LOGGER.isEnabledFor(logging.INFO) else 'WARNING',
  }


def _end(driver: subprocess.Popen) -> None:
  """Ends the driver and its workers, if they have not ended yet."""
  with contextlib.suppress(ProcessLookupError):
    os.killpg(driver.pid, signal.SIGKILL)
  driver.wait()
