"""Measures the time that a cache of compiled programs saves a worker process.

  python -m benchmarks.compilation

Each row is a new process on one CPU core. It runs without a cache, with an
empty cache that it fills, or with that cache when it is full.
"""

import os
import subprocess
import sys
import tempfile

# The program prints the difference in seconds between its first and second fit.
FIT = """
import hashlib, sys, time
import jax, numpy as np
from pipelines.worker import device
from transforms import LinacConfig, start_fit

precision, *cache = sys.argv[1:]
device.set_up(False, cache[0] if cache else None)
images = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), np.uint8)
config = LinacConfig(precision=precision, arithmetic='xla')
times = [time.monotonic()]
for _ in range(2):
  fit = start_fit(images, config, 1, 'float16').result()
  times.append(time.monotonic())
digest = hashlib.sha256(fit.representation.tobytes()).hexdigest()[:12]
print(f'{2 * times[1] - times[0] - times[2]:5.2f} s  {digest}')
"""


def main() -> None:
  core = {min(os.sched_getaffinity(0))}
  for precision in ('float32', 'float64'):
    with tempfile.TemporaryDirectory() as cache:
      for state, folder in (
        ('none', []),
        ('empty', [cache]),
        ('full', [cache]),
      ):
        found = subprocess.check_output(
          [sys.executable, '-c', FIT, precision, *folder],
          text=True,
          preexec_fn=lambda: os.sched_setaffinity(0, core),
        )
        print(f'{precision}  {state:6}{found}', end='')


if __name__ == '__main__':
  main()
