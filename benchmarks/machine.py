"""The machine's own limits, to hold the fit against."""

import time

import numpy as np


def gemm_flops(dtype: str, size: int = 1024, seconds: float = 1.0) -> float:
  """Floating-point operations per second of NumPy's matrix product."""
  a = np.random.default_rng(0).normal(size=(size, size)).astype(dtype)
  out = np.empty_like(a)
  return 2 * size**3 * _rate(lambda: np.matmul(a, a, out=out), seconds)


def copy_bandwidth(num_bytes: int = 2**27, seconds: float = 0.5) -> float:
  """Bytes per second read and written by copying an array beyond all caches."""
  source = np.ones(num_bytes, np.uint8)
  target = np.empty_like(source)
  return 2 * num_bytes * _rate(lambda: np.copyto(target, source), seconds)


def _rate(call, seconds: float) -> float:
  """Calls per second, after one to warm up."""
  call()
  start, calls = time.perf_counter(), 0
  while (elapsed := time.perf_counter() - start) < seconds or not calls:
    call()
    calls += 1
  return calls / elapsed
