"""Measures the peak memory of builds with few and many examples.

  python -m benchmarks.memory [NUM_EXAMPLES ...]

The benchmark builds datasets of 500 and 4,000 drawn images with a tiny network.
It prints the peak memory of all processes of each build, which should not grow
with the number of examples. Memory that processes share counts once.
"""

import json
import subprocess
import sys
import tempfile
import time

import psutil

from benchmarks.drawn import TINY, build_command, prepare


def peak_memory(num_examples: int) -> tuple[int, float]:
  """Builds a dataset; returns the peak bytes of all processes, and seconds."""
  with tempfile.TemporaryDirectory() as data_dir:
    prepare(num_examples, data_dir)
    command = build_command(data_dir, *TINY)
    start = time.monotonic()
    process = subprocess.Popen(command)
    peak = 0
    while process.poll() is None:
      peak = max(peak, tree_memory(process.pid))
      time.sleep(0.1)
    if process.returncode:
      raise SystemExit(process.returncode)
    return peak, time.monotonic() - start


def tree_memory(pid: int) -> int:
  """Returns the bytes of a process and its descendants in memory now."""
  total = 0
  try:
    parent = psutil.Process(pid)
    family = [parent, *parent.children(recursive=True)]
  except psutil.NoSuchProcess:
    return 0
  for process in family:
    try:
      total += process.memory_full_info().pss
    except psutil.NoSuchProcess:
      continue
  return total


def main(sizes: list[int]) -> None:
  rows = [(size, *peak_memory(size)) for size in sizes]
  print('\nexamples  peak MiB  seconds')
  for size, peak, seconds in rows:
    print(f'{size:8,} {peak / 2**20:9.0f} {seconds:8.0f}')
  print(
    json.dumps(
      {
        'benchmark': 'memory',
        'peak_mib': {size: peak >> 20 for size, peak, _ in rows},
      }
    )
  )


if __name__ == '__main__':
  main([int(size) for size in sys.argv[1:]] or [500, 4000])
