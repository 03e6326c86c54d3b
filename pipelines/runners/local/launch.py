"""Starts the driver of a local build and follows it to its end."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import pathlib
import signal
import subprocess
import tempfile
import threading
import time
from collections import Counter
from typing import IO

from linac_config import processes
from pipelines.errors import BuildError, printable
from pipelines.files import lock, storage
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
_LOG = logging.getLogger(__name__)


def run(
  plans: list[DatasetPlan], num_workers: int, progress: Progress
) -> Counter[str]:
  """Builds datasets whose plans are saved.

  Returns:
    The totals of the workers' metrics, by name.

  Raises:
    BuildError: if a worker died or the pipeline failed.
  """
  log = _log(plans)
  # The last lines that are for this process, by their marks.
  told = {REASON: 'its log says more', METRICS: '{}'}
  with open(log, 'wb', buffering=0) as log_file:
    driver = _start(plans, num_workers)
    keeper = threading.Thread(
      target=_keep_log, args=(driver.stdout, log_file, told), daemon=True
    )
    keeper.start()
    try:
      while driver.poll() is None:
        time.sleep(0.3)
        progress.update()
    except KeyboardInterrupt:
      _remove_own(log, plans)
      raise
    finally:
      _end(driver)
      keeper.join(timeout=10)
  reason = told[REASON]
  if driver.returncode == WORKER_DIED:
    raise BuildError(
      f'A worker process died: {reason}. A return code of 137 or -9 most '
      'often means that memory was short; then a smaller --direct_num_workers '
      f'than {num_workers} helps.\nFinished shards are kept: run the same '
      f'command again to go on. The log is {log}.'
    )
  if driver.returncode:
    if driver.returncode < 0:
      reason = f'signal {-driver.returncode} ended its driver process.'
    raise BuildError(
      f'The build failed: {reason}\nFinished shards are kept: run the '
      f'same command again to go on. The log is {log}.'
    )
  _remove_own(log, plans)
  return Counter(json.loads(told[METRICS]))


def _log(plans: list[DatasetPlan]) -> pathlib.Path:
  plan = plans[0]
  # Its staging may be gone before the others are finished.
  if len(plans) > 1 or storage.is_remote(plan.staging):
    file, name = tempfile.mkstemp(prefix='linac-', suffix=f'-{LOG_FILE}')
    os.close(file)
    return pathlib.Path(name)
  return plan.staging / LOG_FILE


def _remove_own(log: pathlib.Path, plans: list[DatasetPlan]) -> None:
  """Removes a log that is in no staging folder, which it would go with."""
  if log.parent != plans[0].staging:
    log.unlink(missing_ok=True)  # Folders for such files are swept.


def _keep_log(lines: IO[bytes], log_file: IO[bytes], told: dict) -> None:
  """Copies what a driver and its workers say, as far as the disk has room.

  If they wrote into the file themselves, a full disk would hang them.
  """
  with lines:
    for line in lines:
      with contextlib.suppress(OSError, ValueError):  # Full, or closed.
        log_file.write(line)
      text = line.decode(errors='replace').rstrip()
      if text:
        _LOG.info('%s', printable(text))
      for mark in told:
        if text.startswith(mark):
          told[mark] = text.removeprefix(mark)


def _start(plans: list[DatasetPlan], num_workers: int) -> subprocess.Popen:
  arguments = [os.getpid(), num_workers, *(plan.staging for plan in plans)]
  command, imports = processes.python_module(
    'pipelines.runners.local.driver', *arguments
  )
  return subprocess.Popen(
    command,
    env=os.environ | environment(plans) | imports,
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    # Ctrl-C is for this process; it ends the others itself.
    start_new_session=True,
  )


def environment(plans: list[DatasetPlan]) -> dict[str, str]:
  """What the processes of a build find in theirs."""
  return {
    lock.FOLDERS: '\n'.join(str(plan.staging.parent) for plan in plans),
    # TFDS then uses the client that this project uses, not TensorFlow's.
    'EPATH_USE_TF': 'false',
    # Workers are one per core: a library's own threads would only compete.
    'OMP_NUM_THREADS': '1',
    'OPENBLAS_NUM_THREADS': '1',
    # A GPU that fails ends the build instead of leaving it to a core.
    'JAX_PLATFORMS': 'cuda' if devices.gpus() else 'cpu',
    # As nvidia-smi numbers them.
    'CUDA_DEVICE_ORDER': 'PCI_BUS_ID',
    GPUS: ','.join(gpu.uuid for gpu in devices.gpus()),
    LOG_LEVEL: 'INFO' if _LOG.isEnabledFor(logging.INFO) else 'WARNING',
  }


def _end(driver: subprocess.Popen) -> None:
  """Ends the driver and its workers, if they have not ended yet."""
  with contextlib.suppress(ProcessLookupError):
    os.killpg(driver.pid, signal.SIGKILL)
  driver.wait()
