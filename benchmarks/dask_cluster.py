"""A build on a Dask cluster that loses a worker.

  python -m benchmarks.dask_cluster [NUM_IMAGES]

A scheduler and two workers run as processes of their own; the real command has
them fit drawn images, in shards of 4. When a quarter of the shards is finished,
one worker is killed, and nobody starts it again. The dataset is then held
against that of a local build, file by file and to the last bit, and given to
`pipelines.verify`. Exits with 1 if anything is not as it should be.
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

# Float64, for its bits; slow enough to be caught in the middle.
OPTIONS = (
  *('--seed=3', '--precision=float64', '--num_layers=3', '--width=64'),
  *('--num_epochs=8', '--batch_size=128', '--examples_per_shard=4'),
)
PER_SHARD = 4
# Seconds until whatever did not happen never will.
PATIENCE = 120
# What processes on another machine would have, too.
ENVIRONMENT = {
  'PATH': os.environ['PATH'],
  'HOME': os.environ['HOME'],
  'PYTHONPATH': str(pathlib.Path(__file__).parents[1]),
}


@contextlib.contextmanager
def running(*command) -> Iterator[subprocess.Popen]:
  """A Python module in a process of its own; ends it and all it started."""
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
  """A scheduler and two workers, one thread each; yields the workers."""
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
  """The first true value of `condition`, while the build runs."""
  end = time.monotonic() + PATIENCE
  while build.poll() is None and time.monotonic() < end:
    if value := condition():
      return value
    time.sleep(0.05)
  raise SystemExit('The build ended, or hangs, before a worker was killed.')


def finished(data_dir: pathlib.Path) -> int:
  """Number of shards that are finished, but not published."""
  return len(list(data_dir.glob('*/*/staging*/manifests/*.json')))


def at_work(client: Client) -> dict[str, int]:
  """Number of tasks that each worker has been given and has not finished."""
  workers = client.scheduler_info(n_workers=-1)['workers']
  return {
    workers[address]['name']: len(tasks)
    for address, tasks in client.processing().items()
  }


def files(data_dir: pathlib.Path) -> dict[str, bytes]:
  """The contents of the config's files, by name."""
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
  """Kills a worker in the middle of a build; returns what it was in."""
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
  """Returns the exit status."""
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
