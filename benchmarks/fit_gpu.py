"""Measures one part of `benchmarks.gpu`, in a process of its own.

  python -m benchmarks.fit_gpu PART [--ends TIME] [--rehearse]

Each row of the result is printed as a line of `ROW` and JSON. After the time
TIME, in seconds since the epoch, nothing more is measured.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import json
import os
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.baseline import baseline_fit
from benchmarks.gpu import ROW
from benchmarks.gpu_task import (
  SHAPE,
  TINY,
  Task,
  images_of,
  limits,
  on_device,
  rate,
)
from transforms import LinacConfig, default_images_per_batch, draw, encoding
from transforms.canonical.check import fit_on_cpu
from transforms.canonical.cuda.schedule import Estimate, Sizes, estimates
from transforms.canonical.fit import canonical_fit

# More images would need much memory for their representations.
_MOST_IMAGES = 1024


def device(task: Task) -> Iterator[dict]:
  """Makes a first fit, for which the driver translates the kernel."""
  start = time.perf_counter()
  jax.block_until_ready(on_device(task, 1)())
  yield {
    'device': jax.devices()[0].device_kind,
    'first_fit_s': round(time.perf_counter() - start, 2),
  }


def bits(task: Task) -> Iterator[dict]:
  """Compares fits with those of the CPU's kernel, called on all cores."""
  count = 4 if task.rehearse else 200
  fitted = [np.asarray(a) for a in on_device(task, count)()]
  pixels = encoding.normalise(images_of(count), task.config)
  draws = draw(task.config, SHAPE)
  expected, cores = [], os.cpu_count() or 1
  with ThreadPoolExecutor(cores) as pool:
    for i in task.while_time_is_left(range(0, count, cores)):
      expected += pool.map(
        lambda image: fit_on_cpu(image, draws, task.config),
        pixels[i : i + cores],
      )
  yield {
    'images': len(expected),
    'with_other_bits': len(list(differences(fitted, expected))),
    'first': next(differences(fitted, expected), 'none'),
  }


def differences(fitted, expected) -> Iterator[str]:
  """Yields the number of each image with other bits, and where they begin.

  Args:
    fitted: The arrays of `transforms.fit`.
    expected: Those of each image, as the CPU's kernel computes them.
  """
  for i, wanted in enumerate(expected):
    found = [array[i] for array in fitted]
    if any(
      a.tobytes() != b.tobytes() for a, b in zip(found, wanted, strict=True)
    ):
      steps = np.flatnonzero(found[2] != wanted[2])
      where = f'step {steps[0]}' if len(steps) else 'its results'
      yield f'image {i} from {where} on'


def fits(task: Task) -> Iterator[dict]:
  """Measures images/s by the number of images per batch."""
  by_xla = task._replace(
    config=dataclasses.replace(task.config, arithmetic='xla')
  )
  measure = {
    'limits': lambda size: limits(task, size),
    'canonical': lambda n: rate(on_device(task, n), n),
    'xla': lambda n: rate(on_device(by_xla, n), n),
    'notebook': lambda n: rate(on_device(by_xla, n, baseline_fit), n),
  }
  for name, size in task.while_time_is_left(_fits(task)):
    row = {'fit': name, 'size': size}
    try:
      yield row | measure[name](size)
    except Exception as error:  # The other rows are still measured.
      yield row | {'failed': repr(error)[:300]}
      _use_device()


def _fits(task: Task) -> Iterator[tuple[str, int]]:
  """Yields fits and their numbers of images per batch, the best known first.

  The size of `limits` is the number of rows of its matrices. The notebook fits
  in float32 only.
  """
  if task.rehearse:
    names = ['canonical', 'xla']
    names += ['notebook'] * (task.config.precision == 'float32')
    yield from (('limits', 64), *((name, 2) for name in names))
    return
  default = default_images_per_batch(task.config, SHAPE)
  yield 'limits', 4096
  for size in (default, 2 * default, max(1, default // 4)):
    yield 'canonical', size
  is_float32 = task.config.precision == 'float32'
  for size in (512, 128, 1024):
    if is_float32:
      yield 'notebook', size
    yield 'xla', size


def _use_device() -> None:
  """Ends the part if the device has failed altogether."""
  jax.block_until_ready(jnp.zeros(1) + 1)


def schedules(task: Task) -> Iterator[dict]:
  """Measures images/s by schedule, the best by its estimate first."""
  if task.rehearse:
    yield {'skipped': 'A CPU has no schedules.'}
    return
  from transforms.canonical.cuda.card import card, kernels

  sizes = Sizes.of(task.config, SHAPE)
  yield from sweep(task, estimates(card(0), kernels(), sizes))


def sweep(task: Task, found: Iterable[Estimate]) -> Iterator[dict]:
  """Measures schedules, and compares their results with each other.

  Args:
    task: The transform.
    found: The schedules with their estimates, in any order.
  """
  reference = None
  ordered = sorted(found, key=lambda e: -e.images_per_second)
  for estimate in task.while_time_is_left(ordered):
    schedule = estimate.schedule
    expected = estimate.images_per_second
    row = schedule._asdict() | {'expected_per_s': round(expected, 1)}
    # The GPU is to work for about half a second, with as many images as are
    # fitted at once or a multiple.
    at_once = schedule.images_at_once
    waves = min(round(0.5 * expected / at_once), _MOST_IMAGES // at_once)
    count = at_once * max(1, waves)
    try:
      call = on_device(task, count, canonical_fit, schedule=schedule)
      row |= rate(call, count)
      losses = np.asarray(call()[2])
      reference = losses if reference is None else reference
      n = min(len(losses), len(reference))
      yield row | {'same_losses': np.array_equal(losses[:n], reference[:n])}
    except Exception as error:  # The other schedules are still measured.
      yield row | {'failed': repr(error)[:300]}
      _use_device()


def build(task: Task) -> Iterator[dict]:
  """Measures a build of drawn images, from start to published."""
  for name in ('apache_beam', 'tensorflow_datasets'):
    if not importlib.util.find_spec(name):
      yield {'skipped': f'{name} is not installed.'}
      return
  from benchmarks import drawn, pipeline

  options = drawn.TINY if task.rehearse else ()
  count = 64 if task.rehearse else 2048
  seconds, finished = pipeline.build(count, *options)
  yield {
    'images': count,
    'per_s_from_start_to_published': round(count / seconds, 1),
    'seconds': round(seconds, 1),
    'first_shard_after_s': round(finished[0], 1),
    'last_shard_after_s': round(finished[-1], 1),
  }


def tiny(task: Task) -> Iterator[dict]:
  """Fits with a tiny network and every schedule, for compute-sanitizer."""
  for precision in ('float32', 'float64'):
    config = LinacConfig(precision=precision, **TINY)
    with jax.enable_x64(precision == 'float64'):
      small = Task(config, True, task.ends)
      yield from bits(small)
      yield from schedules(small._replace(rehearse=False))


PARTS = {
  'device': device,
  'bits': bits,
  'fits': fits,
  'schedules': schedules,
  'build': build,
  'tiny': tiny,
}


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
  parser.add_argument('part', help='such as fits_float64')
  parser.add_argument('--ends', type=float, default=float('inf'))
  parser.add_argument('--rehearse', action='store_true')
  options = parser.parse_args()
  name, _, precision = options.part.partition('_')
  # A build needs the GPU for itself, so its part leaves JAX alone.
  if (
    name != 'build' and not options.rehearse and jax.default_backend() != 'gpu'
  ):
    raise SystemExit('JAX finds no GPU. --rehearse tests the program on a CPU.')
  fields = TINY if options.rehearse else {}
  config = LinacConfig(precision=precision or 'float32', **fields)
  task = Task(config, options.rehearse, options.ends)
  with jax.enable_x64(config.precision == 'float64'):
    for row in PARTS[name](task):
      print(f'{ROW}{json.dumps(row)}', flush=True)


if __name__ == '__main__':
  main()
