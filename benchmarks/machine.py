"""Measures the machine's own limits, with which the fit is compared."""

import ctypes
import functools
import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np


def gemm_flops(dtype: str, size: int = 1024, seconds: float = 1.0) -> float:
  """Measures the floating-point operations per second of NumPy's product."""
  a = np.random.default_rng(0).normal(size=(size, size)).astype(dtype)
  out = np.empty_like(a)
  return 2 * size**3 * _rate(lambda: np.matmul(a, a, out=out), seconds)


def fma_flops(dtype: str, seconds: float = 0.2) -> float:
  """Measures the operations per second of multiply-adds in registers.

  Each fused multiply-add counts as two operations. No program on the core can
  do more of them. Vectors have 512 bits if the CPU has such, otherwise 256.
  """
  number = {'float32': ctypes.c_float, 'float64': ctypes.c_double}[dtype]
  function = getattr(_fma_library(), f'fma_{dtype}')
  function.restype = ctypes.c_double
  result = number()
  call = lambda n: function(ctypes.c_long(n), ctypes.byref(result))  # noqa: E731
  count = 10_000
  return 2 * call(count) * _rate(lambda: call(count), seconds)


def copy_bandwidth(num_bytes: int = 2**27, seconds: float = 0.5) -> float:
  """Measures bytes per second, read and written, of copying a large array."""
  source = np.ones(num_bytes, np.uint8)
  target = np.empty_like(source)
  return 2 * num_bytes * _rate(lambda: np.copyto(target, source), seconds)


@functools.cache
def _fma_library() -> ctypes.CDLL:
  """Compiles `fma.c` for this CPU."""
  from transforms.canonical.fit import kernel_name

  num_bytes = 64 if kernel_name() == 'avx512' else 32
  with tempfile.TemporaryDirectory() as folder:
    library = pathlib.Path(folder) / 'fma.so'
    subprocess.run(
      [
        *(sys.executable, '-m', 'ziglang', 'cc', '-O3', '-ffp-contract=fast'),
        *(f'-DBYTES={num_bytes}', '-shared', '-fPIC', '-fno-sanitize=all'),
        *(str(pathlib.Path(__file__).with_name('fma.c')), '-o', str(library)),
      ],
      check=True,
    )
    return ctypes.CDLL(str(library))


def _rate(call, seconds: float) -> float:
  """Returns the number of calls per second, after one call to warm up."""
  call()
  start, calls = time.perf_counter(), 0
  while (elapsed := time.perf_counter() - start) < seconds or not calls:
    call()
    calls += 1
  return calls / elapsed
