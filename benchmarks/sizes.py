"""Compares the canonical fit with XLA's for other sizes than the default.

  python -m benchmarks.sizes

Each row is measured on one core, the two fits in turn, and the fastest of five
counts.
"""

from __future__ import annotations

import json
import os
import time

import numpy as np

from transforms import LinacConfig, linac

# The shape of the image, and the fields of the config.
SIZES = (
  ((28, 28, 1), dict(width=33, batch_size=7)),
  ((28, 28, 1), dict(width=33, batch_size=7, precision='float64')),
  ((28, 28, 1), dict(batch_size=7)),
  ((8, 8, 3), dict(batch_size=1)),
  ((48, 48, 3), dict(width=40, batch_size=48)),
  ((32, 32, 3), dict(width=64, num_features=10)),
  ((32, 32, 3), dict(width=512, num_epochs=3)),
  ((32, 32, 3), dict(batch_size=64)),
  ((32, 32, 3), dict(batch_size=256)),
  ((32, 32, 3), dict(batch_size=1024)),
  ((32, 32, 3), dict(batch_size=1024, precision='float64')),
  ((32, 32, 3), dict(num_epochs=100)),
)


def seconds(image: np.ndarray, config: LinacConfig) -> float:
  """Returns the CPU time of the fit of an image."""
  start = time.process_time()
  linac(image, config, 1)
  return time.process_time() - start


def measure(shape: tuple[int, int, int], fields: dict) -> dict:
  """Returns the seconds of either fit."""
  image = np.random.default_rng(0).integers(0, 256, (1, *shape), np.uint8)
  channels = shape[-1]
  configs = {
    arithmetic: LinacConfig(
      **fields,
      arithmetic=arithmetic,
      mean=(0.5,) * channels,
      std=(0.25,) * channels,
    )
    for arithmetic in ('canonical', 'xla')
  }
  for config in configs.values():
    linac(image, config, 1)
  times = {name: [] for name in configs}
  for _ in range(5):
    for name, config in configs.items():
      times[name].append(seconds(image, config))
  return {name: min(values) for name, values in times.items()}


def main() -> None:
  os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
  rows = []
  print('ms canonical    ms XLA  faster  size')
  for shape, fields in SIZES:
    times = measure(shape, fields)
    rows.append({'shape': shape, **fields, **times})
    ratio = times['xla'] / times['canonical']
    text = ', '.join(f'{name}={value}' for name, value in fields.items())
    print(
      f'{1000 * times["canonical"]:12.1f}{1000 * times["xla"]:10.1f}'
      f'{ratio:8.2f}  {"x".join(map(str, shape))}, {text}',
      flush=True,
    )
  print(json.dumps({'benchmark': 'sizes', 'rows': rows}))


if __name__ == '__main__':
  main()
