"""Everything worth knowing of the fit on a GPU, in one command.

  python -m benchmarks.gpu [--rehearse]

The device's own limits (matrix products per precision, memory bandwidth); the
fit by precision and images per batch, in plain XLA and with the fused kernel,
as a share of those limits and as seconds for 60,000 images; and how many of
1,000 images get other float64 bits than on this machine's CPU.
`--rehearse` goes through it with a tiny network, on a CPU too, where the kernel
is interpreted; its figures mean nothing.
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
from transforms.fused import fused_fit

SHAPE = (32, 32, 3)
_HIGHEST = jax.lax.Precision.HIGHEST
# Name, dtype and precision of the products.
PRODUCTS = (
  ('float32', jnp.float32, _HIGHEST),
  ('tf32', jnp.float32, jax.lax.Precision.DEFAULT),
  ('bfloat16', jnp.bfloat16, jax.lax.Precision.DEFAULT),
  ('float64', jnp.float64, _HIGHEST),
)


def seconds(call, repeats: int = 3) -> float:
  """The shortest of some calls, after one to compile."""
  jax.block_until_ready(call())
  times = []
  for _ in range(repeats):
    start = time.perf_counter()
    jax.block_until_ready(call())
    times.append(time.perf_counter() - start)
  return min(times)


def limits(size: int) -> dict[str, float]:
  """FLOP/s of products of `size`, and bytes/s of reading and writing."""
  found = {}
  for name, dtype, precision in PRODUCTS:
    a = jnp.ones((size, size), dtype)
    product = jax.jit(functools.partial(jnp.matmul, precision=precision))
    found[name] = 2 * size**3 / seconds(lambda p=product, a=a: p(a, a))
  x = jnp.ones(size**2 * 16, jnp.float32)
  found['bytes'] = 2 * x.nbytes / seconds(lambda: jax.jit(jnp.negative)(x))
  return found


def fit_row(kind: str, config: LinacConfig, per_batch: int, peaks) -> dict:
  """Images/s of one program on a batch that is on the device already."""
  images = np.random.default_rng(0).integers(
    0, 256, (per_batch, *SHAPE), np.uint8
  )
  on_cpu = jax.default_backend() == 'cpu'
  program = functools.partial(fused_fit, interpret=on_cpu)
  program = program if kind == 'fused' else fit
  compiled = jax.jit(functools.partial(program, config=config))
  pixels = jnp.asarray(encoding.normalise(images, config))
  draws = jax.device_put(draw(config, SHAPE))
  rate = per_batch / seconds(lambda: compiled(pixels, draws))
  itemsize = jnp.dtype(config.precision).itemsize
  # Weights and moments are read and written; weights once more in the forward
  # and the backward pass; plain XLA writes and reads gradients too.
  passes = 8 if kind == 'fused' else 10
  steps = config.num_steps(SHAPE[0] * SHAPE[1])
  traffic = passes * steps * config.num_weights(SHAPE[2]) * itemsize
  return {
    'fit': kind,
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
  """In a process of its own on one core."""
  images, config, core = args
  os.sched_setaffinity(0, {core})
  return linac(images, config).representation.astype(np.float16)


def count_other_bits(config: LinacConfig, count: int) -> int:
  """Images whose float16 representations differ between device and CPU."""
  images = np.random.default_rng(1).integers(0, 256, (count, *SHAPE), np.uint8)
  cores = sorted(os.sched_getaffinity(0))
  parts = np.array_split(images, len(cores))
  device = linac(images, config).representation.astype(np.float16)
  os.environ['JAX_PLATFORMS'] = 'cpu'  # Of the processes to come.
  with multiprocessing.get_context('spawn').Pool(len(cores)) as pool:
    work = [(p, config, c) for p, c in zip(parts, cores, strict=True)]
    cpu = np.concatenate(pool.map(cpu_representation, work))
  return int((device != cpu).any(axis=(1, 2, 3)).sum())


def main(rehearse: bool) -> None:
  if jax.default_backend() == 'cpu' and not rehearse:
    raise SystemExit('JAX sees no GPU here; nothing was measured.')
  fields = {'num_layers': 2, 'width': 64, 'num_epochs': 1, 'batch_size': 512}
  fields['representation_layer'] = 1
  fields = fields if rehearse else {}
  batches = [2, 4] if rehearse else [64, 128, 256, 512, 1024]
  rows = []
  with jax.enable_x64(True):
    peaks = limits(256 if rehearse else 8192)
  for precision in ('float32', 'float64'):
    config = LinacConfig(precision=precision, **fields)
    with jax.enable_x64(precision == 'float64'):
      for kind in ('plain', 'fused'):
        for per_batch in batches:
          try:
            rows.append(fit_row(kind, config, per_batch, peaks))
          except Exception as error:  # One program that fails hides no other.
            reason = repr(error)[:300]
            rows.append({'fit': kind, 'precision': precision, 'error': reason})
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
