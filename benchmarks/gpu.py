"""Measures the fit on a GPU.

  python -m benchmarks.gpu [--rehearse]

The benchmark measures:

- the device's limits: matrix products in each precision, and memory bandwidth;
- the fit in each precision with various numbers of images per batch, as a share
  of those limits and as seconds for 60,000 images;
- the number of images, out of 1,000, whose float64 representations have other
  bits than on this machine's CPU.

With `--rehearse`, it runs with a tiny network, on a CPU too. This only tests
the program; ignore the figures.
"""

from __future__ import annotations

import functools
import json
import multiprocessing
import os
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np

from transforms import LinacConfig, draw, encoding, fit, linac

SHAPE = (32, 32, 3)
_HIGHEST = jax.lax.Precision.HIGHEST
# The name, dtype and precision of each kind of matrix product.
PRODUCTS = (
  ('float32', jnp.float32, _HIGHEST),
  ('tf32', jnp.float32, jax.lax.Precision.DEFAULT),
  ('bfloat16', jnp.bfloat16, jax.lax.Precision.DEFAULT),
  ('float64', jnp.float64, _HIGHEST),
)


def seconds(call, repeats: int = 3) -> float:
  """Returns the seconds of the fastest of some calls, after one to compile."""
  jax.block_until_ready(call())
  times = []
  for _ in range(repeats):
    start = time.perf_counter()
    jax.block_until_ready(call())
    times.append(time.perf_counter() - start)
  return min(times)


def limits(size: int) -> dict[str, float]:
  """Measures FLOP/s of matrix products, and bytes/s of reading and writing.

  Args:
    size: The number of rows and columns of the matrices.
  """
  found = {}
  for name, dtype, precision in PRODUCTS:
    a = jnp.ones((size, size), dtype)
    product = jax.jit(functools.partial(jnp.matmul, precision=precision))
    found[name] = 2 * size**3 / seconds(lambda p=product, a=a: p(a, a))
  x = jnp.ones(size**2 * 16, jnp.float32)
  found['bytes'] = 2 * x.nbytes / seconds(lambda: jax.jit(jnp.negative)(x))
  return found


def fit_row(config: LinacConfig, per_batch: int, peaks) -> dict:
  """Measures the fit of a batch that is on the device already.

  Args:
    config: The transform.
    per_batch: The number of images in the batch.
    peaks: The device's limits.
  """
  images = np.random.default_rng(0).integers(
    0, 256, (per_batch, *SHAPE), np.uint8
  )
  compiled = jax.jit(functools.partial(fit, config=config))
  pixels = jnp.asarray(encoding.normalise(images, config))
  draws = jax.device_put(draw(config, SHAPE))
  rate = per_batch / seconds(lambda: compiled(pixels, draws))
  itemsize = jnp.dtype(config.precision).itemsize
  # A step reads and writes the weights and both moments, and reads the weights
  # again in the forward and the backward pass. It also writes and reads the
  # gradients.
  passes = 10
  steps = config.num_steps(SHAPE[0] * SHAPE[1])
  traffic = passes * steps * config.num_weights(SHAPE[2]) * itemsize
  return {
    'precision': config.precision,
    'images_per_batch': per_batch,
    'images_per_s': round(rate, 1),
    'seconds_per_60000': round(60_000 / rate, 1),
    'of_products': round(
      rate * config.flops(SHAPE) / peaks[config.precision], 3
    ),
    'of_bandwidth': round(rate * traffic / peaks['bytes'], 3),
  }


def cpu_representation(args) -> np.ndarray:
  """Fits images on one core and returns their float16 representations.

  Args:
    args: The images, the config and the core.
  """
  images, config, core = args
  os.sched_setaffinity(0, {core})
  return linac(images, config).representation.astype(np.float16)


def count_other_bits(config: LinacConfig, count: int) -> int:
  """Counts images with other float16 representations on the device and a CPU.

  Args:
    config: The transform.
    count: The number of images to fit.
  """
  images = np.random.default_rng(1).integers(0, 256, (count, *SHAPE), np.uint8)
  cores = sorted(os.sched_getaffinity(0))
  parts = np.array_split(images, len(cores))
  device = linac(images, config).representation.astype(np.float16)
  os.environ['JAX_PLATFORMS'] = 'cpu'  # The pool's processes inherit this.
  with multiprocessing.get_context('spawn').Pool(len(cores)) as pool:
    work = [(p, config, c) for p, c in zip(parts, cores, strict=True)]
    cpu = np.concatenate(pool.map(cpu_representation, work))
  return int((device != cpu).any(axis=(1, 2, 3)).sum())


def main(rehearse: bool) -> None:
  if jax.default_backend() == 'cpu' and not rehearse:
    raise SystemExit(
      'JAX finds no GPU, so nothing was measured. Pass --rehearse to test the '
      'program on a CPU.'
    )
  fields = {'num_layers': 2, 'width': 64, 'num_epochs': 1, 'batch_size': 512}
  fields['representation_layer'] = 1
  fields = fields if rehearse else {}
  fields['arithmetic'] = 'xla'
  batches = [2, 4] if rehearse else [64, 128, 256, 512, 1024]
  rows = []
  with jax.enable_x64(True):
    peaks = limits(256 if rehearse else 8192)
  for precision in ('float32', 'float64'):
    config = LinacConfig(precision=precision, **fields)
    with jax.enable_x64(precision == 'float64'):
      for per_batch in batches:
        try:
          rows.append(fit_row(config, per_batch, peaks))
        except Exception as error:  # The other rows are still measured.
          rows.append({'precision': precision, 'error': repr(error)[:300]})
        print(rows[-1], flush=True)
  config = LinacConfig(precision='float64', **fields)
  count = 4 if rehearse else 1000
  result = {
    'benchmark': 'gpu',
    'device': jax.devices()[0].device_kind,
    'limits': {name: float(f'{value:.3g}') for name, value in peaks.items()},
    'rows': rows,
    'images_with_other_float64_bits': [count_other_bits(config, count), count],
  }
  for name, value in result['limits'].items():
    print(
      f'{name:9}{value / 1e12:9.2f} T{"B" if name == "bytes" else "FLOP"}/s'
    )
  print(json.dumps(result))


if __name__ == '__main__':
  main('--rehearse' in sys.argv[1:])
