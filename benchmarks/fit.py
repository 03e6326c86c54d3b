"""Compares the canonical fit with XLA's and with the machine's limit.

  python -m benchmarks.fit [--quick]

Each table is measured by new processes, which start together. They measure all
fits in turn, so that other work on the machine slows all alike, and between
them a loop of multiply-adds in registers, the limit of a core. With `--quick`,
there is one turn instead of four.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time

import numpy as np

IMAGES = 4
SHAPE = (32, 32, 3)


def measure(core, names, precision, turns, barrier, results) -> None:
  """Measures one process of a table.

  Args:
    core: The core to run on.
    names: The names of the fits.
    precision: The precision of the fits.
    turns: The number of times that each fit is measured.
    barrier: The barrier at which the processes of a table wait for each other.
    results: A queue for the rates: a list of images/s for each fit, and of
      multiply-adds per second under `'limit'`.
  """
  os.sched_setaffinity(0, {core})
  os.environ['JAX_PLATFORMS'] = 'cpu'
  from benchmarks.machine import fma_flops

  images = np.random.default_rng(0).integers(0, 256, (IMAGES, *SHAPE), np.uint8)
  fma_flops(precision)  # This compiles for the CPU, before a kernel is chosen.
  fits = {name: _fit(name, precision) for name in names}
  for fit in fits.values():
    fit(images)
  rates = {name: [] for name in (*fits, 'limit')}
  for _ in range(turns):
    for name, fit in fits.items():
      barrier.wait()
      start = time.perf_counter()
      fit(images)
      rates[name].append(IMAGES / (time.perf_counter() - start))
    barrier.wait()
    rates['limit'].append(fma_flops(precision))
  results.put(rates)


def _fit(name: str, precision: str):
  """Returns a function of images that fits them."""
  from benchmarks.baseline import baseline
  from transforms import LinacConfig, linac

  xla = LinacConfig(precision=precision, arithmetic='xla')
  if name == 'baseline':
    return lambda images: baseline(images, xla)
  if name == 'xla':
    return lambda images: linac(images, xla)

  def fit(images):
    os.environ['LINAC_KERNEL'] = name
    linac(images, LinacConfig(precision=precision))

  return fit


def kernels() -> list[str]:
  """Returns the names of this CPU's canonical kernels, except the portable."""
  from transforms.canonical.fit import kernel_name

  names = ['avx512', 'avx2']
  return names[names.index(kernel_name()) :]


def run_table(
  names: list[str], precision: str, processes: int, turns: int
) -> dict[str, np.ndarray]:
  """Runs the processes of a table and adds up their rates of each turn."""
  context = multiprocessing.get_context('spawn')
  barrier, results = context.Barrier(processes), context.Queue()
  workers = [
    context.Process(
      target=measure, args=(core, names, precision, turns, barrier, results)
    )
    for core in sorted(os.sched_getaffinity(0))[:processes]
  ]
  for worker in workers:
    worker.start()
  rates = [results.get() for _ in workers]
  for worker in workers:
    worker.join()
  return {
    name: np.sum([rate[name] for rate in rates], axis=0) for name in rates[0]
  }


def rows(precision: str, processes: int, turns: int) -> list[dict]:
  """Measures a table: a row for each fit."""
  from transforms import LinacConfig

  # The baseline is a program for float32.
  names = ['baseline'] if precision == 'float32' else []
  names += ['xla', *kernels()]
  rates = run_table(names, precision, processes, turns)
  flops = LinacConfig().flops(SHAPE)
  return [
    {
      'fit': name,
      'precision': precision,
      'processes': processes,
      'images_per_s': round(float(np.median(rates[name])), 2),
      'against_xla': round(float(np.median(rates[name] / rates['xla'])), 2),
      'of_limit': round(
        float(np.median(flops * rates[name] / rates['limit'])), 3
      ),
    }
    for name in names
  ]


def main() -> None:
  turns = 1 if '--quick' in sys.argv[1:] else 4
  print('fit      precision processes images/s against xla  of limit')
  measured = []
  for precision in ('float32', 'float64'):
    for processes in sorted({1, len(os.sched_getaffinity(0))}):
      for r in rows(precision, processes, turns):
        measured.append(r)
        print(
          f'{r["fit"]:9}{r["precision"]:10}{r["processes"]:9}'
          f'{r["images_per_s"]:9}{r["against_xla"]:12}{r["of_limit"]:10.0%}',
          flush=True,
        )
  print(json.dumps({'benchmark': 'fit', 'rows': measured}))


if __name__ == '__main__':
  main()
