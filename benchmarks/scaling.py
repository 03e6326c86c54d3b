"""Measures the time of builds for numbers of examples and of workers.

  python -m benchmarks.scaling [NUM_EXAMPLES ...]

The network is tiny, so the time is that of everything except the fit: reading,
writing, manifests, publishing and Beam.
"""

import json
import os
import subprocess
import sys
import tempfile
import time

from benchmarks.drawn import TINY, build_command, prepare


def seconds_to_build(num_examples: int, workers: int) -> float:
  """Returns the seconds of one build, from its start to its publication."""
  with tempfile.TemporaryDirectory() as data_dir:
    prepare(num_examples, data_dir)
    start = time.monotonic()
    command = build_command(data_dir, *TINY, f'--direct_num_workers={workers}')
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


def main(sizes: list[int]) -> None:
  cores = len(os.sched_getaffinity(0))
  rows = [
    (size, workers, seconds_to_build(size, workers))
    for size in sizes
    for workers in sorted({1, cores})
  ]
  print('\nexamples  workers  seconds  examples/s')
  for size, workers, seconds in rows:
    print(f'{size:8,}{workers:9}{seconds:9.0f}{size / seconds:12.0f}')
  print(json.dumps({'benchmark': 'scaling', 'rows': rows}))


if __name__ == '__main__':
  main([int(size) for size in sys.argv[1:]] or [1000, 10_000, 60_000])
