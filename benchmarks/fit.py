"""Compares the throughput of the fit with a baseline and the machine's limits.

  python -m benchmarks.fit

Each row is measured by new processes, which start together. The same processes
also measure matrix products, in turn with the fit, so that other work on the
machine slows both alike.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import statistics
import time

import numpy as np

IMAGES = 8
ROUNDS = 4
SHAPE = (32, 32, 3)


def measure(core, kind, precision, per_batch, barrier, results) -> None:
  """Measures one process of a row.

  Args:
    core: The core to run on, or None for any.
    kind: The name of the fit, `'linac'` or `'baseline'`.
    precision: The precision of the fit and of the matrix products.
    per_batch: The number of images per batch.
    barrier: The barrier at which the processes of a row wait for each other.
    results: A queue for the result: images/s, FLOP/s of matrix products and
      bytes/s of copying.
  """
  if core is not None:
    os.sched_setaffinity(0, {core})
  os.environ['JAX_PLATFORMS'] = 'cpu'
  from benchmarks.baseline import baseline
  from benchmarks.machine import copy_bandwidth, gemm_flops
  from transforms import LinacConfig, linac

  config = LinacConfig(precision=precision)
  images = np.random.default_rng(0).integers(0, 256, (IMAGES, *SHAPE), np.uint8)

  def fit(images):
    if kind == 'baseline':
      for i in range(0, len(images), per_batch):
        baseline(images[i : i + per_batch], config)
    else:
      linac(images, config, images_per_batch=per_batch)

  fit(images[:per_batch])
  seconds, gemms = 0.0, []
  for _ in range(ROUNDS):
    barrier.wait()
    start = time.perf_counter()
    fit(images)
    seconds += time.perf_counter() - start
    barrier.wait()
    gemms.append(gemm_flops(precision, seconds=0.5))
  barrier.wait()
  copies = copy_bandwidth()
  results.put((ROUNDS * IMAGES / seconds, statistics.fmean(gemms), copies))


def run_row(kind, precision, per_batch, processes, pinned) -> dict:
  """Runs the processes of a row and adds up their rates."""
  context = multiprocessing.get_context('spawn')
  barrier, results = context.Barrier(processes), context.Queue()
  cores = sorted(os.sched_getaffinity(0))
  workers = [
    context.Process(
      target=measure,
      args=(
        cores[i % len(cores)] if pinned else None,
        *(kind, precision, per_batch, barrier, results),
      ),
    )
    for i in range(processes)
  ]
  # NumPy reads this when a process imports it.
  os.environ['OPENBLAS_NUM_THREADS'] = '1' if pinned else str(len(cores))
  for worker in workers:
    worker.start()
  rates, gemms, copies = zip(*(results.get() for _ in workers), strict=True)
  for worker in workers:
    worker.join()
  from transforms import LinacConfig

  flops = sum(rates) * LinacConfig().flops(SHAPE)
  return {
    'fit': kind,
    'precision': precision,
    'images_per_batch': per_batch,
    'processes': processes,
    'pinned': pinned,
    'images_per_s': round(sum(rates), 2),
    'gflops': round(flops / 1e9, 1),
    'gemm_gflops': round(sum(gemms) / 1e9, 1),
    'of_gemm': round(flops / sum(gemms), 3),
    'copy_gb_per_s': round(sum(copies) / 1e9, 1),
  }


def main() -> None:
  cores = len(os.sched_getaffinity(0))
  rows = [
    run_row(*row)
    for row in [
      ('baseline', 'float32', 8, 1, False),
      ('linac', 'float32', 1, 1, False),
      ('linac', 'float32', 1, 1, True),
      ('linac', 'float32', 1, cores, False),
      ('linac', 'float32', 1, cores, True),
      ('linac', 'float32', 8, cores, True),
      ('linac', 'float64', 1, cores, False),
      ('linac', 'float64', 1, cores, True),
    ]
  ]
  print(
    f'{"fit":9}{"precision":10}batch proc pinned images/s GFLOP/s  of gemm '
    'copied GB/s'
  )
  for r in rows:
    print(
      f'{r["fit"]:9}{r["precision"]:10}{r["images_per_batch"]:5}'
      f'{r["processes"]:5} {r["pinned"]!s:6}{r["images_per_s"]:9}'
      f'{r["gflops"]:8} {r["of_gemm"]:8.0%}{r["copy_gb_per_s"]:12}'
    )
  base = rows[0]['images_per_s']
  best = rows[4]['images_per_s']
  print(f'all cores, pinned, float32, against the baseline: {best / base:.2f}x')
  print(json.dumps({'benchmark': 'fit', 'rows': rows}))


if __name__ == '__main__':
  main()
