"""Builds a dataset with a stand-in for each device, to see how long it waits.

  python -m benchmarks.device_feed [--images_per_s 600] [--devices 1] ...

A stand-in returns prepared representations at a chosen rate. Everything else
is real: the pipeline, the images, PSNR, checks, hashes and files. The last line
is JSON with

- `images_per_s`: from the start of the first batch to the last manifest;
- `device_busy`: the share of this time in which the devices worked, on average;
- `tail`: the time between the ends of the first and the last device's work, as
  a share of the time from the start of the processes to the last manifest;
- `peak_mib`: the largest resident memory of all processes together;
- `cpu_ms`: milliseconds of the workers' CPU time per image, between the ends of
  each worker's first and last batch;
- `verified`: whether `linac verify --quick` accepts the dataset.

The folder of temporary files must be on a disk that is fast enough, such as a
RAM disk: TMPDIR=/dev/shm.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms.environments import SubprocessSDKEnvironment

from benchmarks import stand_in
from benchmarks.drawn import prepare
from benchmarks.memory import tree_memory
from linac_tfds import Cifar10Linac
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.plan.saved_plan import save_plan
from pipelines.plan.settings import Settings
from pipelines.preparation.make_plan import make_plan
from pipelines.runners.local import launch, parent
from pipelines.runners.pipeline import Workers, build_datasets


def plan(data_dir: str, args: argparse.Namespace) -> DatasetPlan:
  """Prepares drawn images and plans their dataset."""
  prepare(args.images, data_dir)
  settings = Settings(
    file_format=args.file_format,
    storage_dtype=args.storage_dtype,
    images_per_batch=args.images_per_batch,
  )
  builder = Cifar10Linac(config=args.config, data_dir=data_dir)
  found = make_plan(builder, settings)
  save_plan(found)
  return found


def build(plan: DatasetPlan, args: argparse.Namespace, times: str) -> None:
  """Builds the dataset as a local build does, with stand-ins as workers."""
  os.environ |= launch.environment()
  os.environ |= {
    'JAX_PLATFORMS': 'cpu',
    # A worker with a GPU is not bound to a core.
    parent.GPUS: ','.join(map(str, range(args.devices))),
    stand_in.RATE: str(args.images_per_s / args.devices),
    stand_in.TIMES: times,
  }
  runner = FnApiRunner(
    default_environment=SubprocessSDKEnvironment.from_command_string(
      f'exec {sys.executable} -m benchmarks.stand_in'
    )
  )
  options = PipelineOptions([], direct_num_workers=args.devices)
  with beam.Pipeline(runner=runner, options=options) as root:
    build_datasets(root, [str(plan.staging)], Workers(number=args.devices))


class PeakMemory:
  """Watches the resident memory of this process and its children."""

  def __init__(self):
    self.peak = 0
    self._ended = threading.Event()
    self._thread = threading.Thread(target=self._watch)

  def __enter__(self):
    self._thread.start()
    return self

  def __exit__(self, *_):
    self._ended.set()
    self._thread.join()

  def _watch(self) -> None:
    while not self._ended.wait(0.2):
      self.peak = max(self.peak, tree_memory(os.getpid()))


def last_manifest(plan: DatasetPlan) -> float:
  """The time of the last manifest, in seconds of the monotonic clock."""
  to_monotonic = time.monotonic() - time.time()
  manifests = (plan.directory / 'manifests').iterdir()
  return max(path.stat().st_mtime for path in manifests) + to_monotonic


def measure(data_dir: str, times: str, args: argparse.Namespace) -> dict:
  """Builds one dataset and returns what the module's docstring lists."""
  planned = plan(data_dir, args)
  start = time.monotonic()
  with PeakMemory() as memory:
    build(planned, args, times)
  batches = [
    [tuple(map(float, line.split())) for line in path.read_text().splitlines()]
    for path in pathlib.Path(times).iterdir()
  ]
  first = min(device[0][0] for device in batches)
  end = last_manifest(planned)
  ends = [device[-1][1] for device in batches]
  busy = sum(b - a for device in batches for a, b, _ in device)
  cpu = sum(device[-1][2] - device[0][2] for device in batches)
  # The images of each worker's first batch are not in it.
  images = args.images * (1 - args.devices / sum(map(len, batches)))
  command = [sys.executable, '-m', 'pipelines.verify', '--quick']
  verified = args.verify and subprocess.run([*command, planned.directory])
  return {
    'benchmark': 'device_feed',
    **vars(args),
    'images_per_s': round(args.images / (end - first), 1),
    'device_busy': round(busy / (end - first) / args.devices, 3),
    'tail': round((max(ends) - min(ends)) / (end - start), 3),
    'peak_mib': memory.peak >> 20,
    'cpu_ms': round(1000 * cpu / images, 2),
    'verified': verified and not verified.returncode,
  }


def main(argv: list[str]) -> None:
  parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
  parser.add_argument('--images', type=int, default=6000)
  parser.add_argument(
    '--images_per_s', type=float, default=600, help='of all devices together'
  )
  parser.add_argument('--devices', type=int, default=1)
  parser.add_argument('--images_per_batch', type=int, default=256)
  parser.add_argument('--config', default='drawn_seed_42')
  parser.add_argument('--file_format', default='tfrecord')
  parser.add_argument('--storage_dtype', default='float16')
  parser.add_argument('--verify', action='store_true')
  args = parser.parse_args(argv)
  with (
    tempfile.TemporaryDirectory() as data_dir,
    tempfile.TemporaryDirectory() as times,
  ):
    print(json.dumps(measure(data_dir, times, args)))


if __name__ == '__main__':
  main(sys.argv[1:])
