"""Measures the machine's own limits, with which the fit is compared."""

import time

import numpy as np


def gemm_flops(dtype: str, size: int = 1024, seconds: float = 1.0) -> float:
  """Measures the floating-point operations per second of NumPy's product."""
  a = np.random.default_rng(0).normal(size=(size, size)).astype(dtype)
  out = np.empty_like(a)
  return 2 * size**3 * _rate(lambda: np.matmul(a, a, out=out), seconds)


def copy_bandwidth(num_bytes: int = 2**27, seconds: float = 0.5) -> float:
  """Measures bytes per second, read and written, of copying a large array."""
  source = np.ones(num_bytes, np.uint8)
  target = np.empty_like(source)
  return 2 * num_bytes * _rate(lambda: np.copyto(target, source), seconds)


def _rate(call, seconds: float) -> float:
  """Returns the number of calls per second, after one call to warm up."""
  call()
  start, calls = time.perf_counter(), 0
  while (elapsed := time.perf_counter() - start) < seconds or not calls:
    call()
    calls += 1
  return calls / elapsed
