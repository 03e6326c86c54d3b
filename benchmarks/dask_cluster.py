"""Builds a dataset on a Dask cluster that loses a worker.

  python -m benchmarks.dask_cluster [NUM_IMAGES]

A scheduler and two workers run as separate processes, and the real command uses
them to fit drawn images in shards of 4. When a quarter of the shards is
finished, one worker is killed and not started again. Then the dataset is
compared with that of a local build, in every bit of every file, and checked by
`pipelines.verify`. The exit status is 1 if a check fails.
"""

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

from distributed import Client

from benchmarks import drawn
from linac_tfds import Cifar10Linac

# Float64 makes the bits of both builds equal. The fits are slow enough that the
# worker is killed in the middle of the build.
OPTIONS = (
  *('--seed=3', '--precision=float64', '--num_layers=3', '--width=64'),
  *('--num_epochs=8', '--batch_size=128', '--examples_per_shard=4'),
)
PER_SHARD = 4
# After this many seconds, the benchmark stops waiting for an event.
PATIENCE = 120
# Processes get only variables that they would have on another machine too.
ENVIRONMENT = {
  'PATH': os.environ['PATH'],
  'HOME': os.environ['HOME'],
  'PYTHONPATH': str(pathlib.Path(__file__).parents[1]),
}


@contextlib.contextmanager
def running(*command) -> Iterator[subprocess.Popen]:
  """Runs a Python module as a process; at the end, kills its process group."""
  process = subprocess.Popen(
    [sys.executable, '-m', *map(str, command)],
    env=ENVIRONMENT,
    cwd='/',
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
    start_new_session=True,
  )
  try:
    yield process
  finally:
    with contextlib.suppress(ProcessLookupError):
      os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def cluster(address_file: pathlib.Path) -> Iterator[list[subprocess.Popen]]:
  """Runs a scheduler and two workers of one thread each; yields the workers."""
  scheduler = ('distributed.cli.dask_scheduler', '--port=0', '--no-dashboard')
  worker = (
    *('distributed.cli.dask_worker', '--nthreads=1', '--no-dashboard'),
    *('--no-nanny', '--local-directory', address_file.parent),
  )
  file = ('--scheduler-file', address_file)
  with (
    running(*scheduler, *file),
    running(*worker, *file, '--name=first') as first,
    running(*worker, *file, '--name=second') as second,
  ):
    yield [first, second]


def wait_until(condition, build: subprocess.Popen):
  """Waits until `condition` returns a true value while the build runs."""
  end = time.monotonic() + PATIENCE
  while build.poll() is None and time.monotonic() < end:
    if value := condition():
      return value
    time.sleep(0.05)
  raise SystemExit('The build ended, or hangs, before a worker was killed.')


def finished(data_dir: pathlib.Path) -> int:
  """Returns the number of shards that are finished but not published."""
  return len(list(data_dir.glob('*/*/staging*/manifests/*.json')))


def at_work(client: Client) -> dict[str, int]:
  """Returns the number of unfinished tasks that each worker has."""
  workers = client.scheduler_info(n_workers=-1)['workers']
  return {
    workers[address]['name']: len(tasks)
    for address, tasks in client.processing().items()
  }


def files(data_dir: pathlib.Path) -> dict[str, bytes]:
  """Returns the contents of the dataset's files by name."""
  (folder,) = data_dir.glob('cifar10_linac/drawn_*')
  return {
    str(path.relative_to(folder)): path.read_bytes()
    for path in folder.rglob('*')
    if path.is_file()
  }


def lose_a_worker(
  build: subprocess.Popen,
  data_dir: pathlib.Path,
  num_shards: int,
  address_file: pathlib.Path,
  worker: subprocess.Popen,
) -> dict:
  """Kills a worker in the middle of a build.

  Args:
    build: The process of the build.
    data_dir: The root folder of the dataset.
    num_shards: The number of shards of the dataset.
    address_file: The file that holds the scheduler's address.
    worker: The process of the worker.

  Returns:
    The number of finished shards, and of tasks of each worker, just before.
  """
  try:
    with Client(scheduler_file=str(address_file)) as client:
      wait_until(lambda: finished(data_dir) >= num_shards // 4, build)
      state = {'finished': finished(data_dir), 'at_work': at_work(client)}
      worker.kill()
      if build.wait(timeout=PATIENCE):
        raise SystemExit('The build failed.')
    return state
  finally:
    build.kill()


def main(num_images: int) -> int:
  """Runs the benchmark; returns the exit status."""
  num_shards = -(-num_images // PER_SHARD)
  with tempfile.TemporaryDirectory() as folder:
    local, remote = pathlib.Path(folder, 'local'), pathlib.Path(folder, 'dask')
    drawn.prepare(num_images, str(local))
    command = drawn.build_command(str(local), *OPTIONS)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    file = pathlib.Path(folder, 'scheduler.json')
    options = ('--runner=DaskRunner', f'--dask_scheduler_file={file}')
    source = f'--source_data_dir={local}'
    command = drawn.build_command(str(remote), source, *options, *OPTIONS)
    start = time.monotonic()
    with cluster(file) as workers:
      build = subprocess.Popen(command, stdout=subprocess.DEVNULL)
      state = lose_a_worker(build, remote, num_shards, file, workers[0])
    seconds = time.monotonic() - start

    (target,) = remote.glob(f'cifar10_linac/*/{Cifar10Linac.VERSION}')
    verify = [sys.executable, '-m', 'pipelines.verify', str(target), source]
    sound = not subprocess.run(verify, check=False).returncode
    identical = files(remote) == files(local)
  log = {
    'benchmark': 'dask_cluster',
    'shards': num_shards,
    **state,
    'seconds': round(seconds, 1),
    'sound': sound,
    'identical': identical,
  }
  print(json.dumps(log))
  spread = len(state['at_work']) == 2 and all(state['at_work'].values())
  return 0 if spread and sound and identical else 1


if __name__ == '__main__':
  sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else 200))
