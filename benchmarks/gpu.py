"""Measures the fit on a GPU, in less than 4 minutes.

  python -m benchmarks.gpu [--quick | --rehearse]

The benchmark prints the card, its driver and its clocks, and then measures:

- whether canonical fits of 200 images have the bits of this machine's CPU, in
  both precisions; with few cores, as many images as the CPU fits in time;
- images/s of canonical fits, of XLA's and of one that works like the published
  notebook, by the number of images per batch;
- images/s of canonical fits by schedule, the best by the estimates first;
- a build from start to published, if Beam and TFDS are installed.

Each part is a process of its own with a limit of time; `benchmarks.fit_gpu` has
the parts. So one that crashes or hangs does not disturb the others. With
`--quick`, there are only the bits, in half a minute. With `--rehearse`, a tiny
network is fitted on the CPU; this only tests the program, so ignore the
figures.

The kernel's accesses to memory are checked with NVIDIA's compute-sanitizer,
which is part of the CUDA toolkit:

  compute-sanitizer --tool memcheck python -m benchmarks.fit_gpu tiny
  compute-sanitizer --tool racecheck python -m benchmarks.fit_gpu tiny
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import os
import platform
import signal
import subprocess
import sys
import threading
import time

# The start of a line with a row.
ROW = 'ROW '
# The parts, and the seconds after which they measure nothing more. A part that
# has not ended some seconds later is killed.
QUICK = {'device': 8, 'bits_float32': 10, 'bits_float64': 12}
PARTS = {
  'device': 8,
  'bits_float32': 12,
  'bits_float64': 25,
  'fits_float32': 55,
  'schedules_float32': 25,
  'build': 40,
  'fits_float64': 25,
  'schedules_float64': 20,
}
_SECONDS_MORE = 15
# No part lasts longer than this after the start of the program.
_MOST_SECONDS = 230


def describe() -> str:
  """Describes the card, its driver, its clocks, and the versions of JAX."""
  versions = [f'Python {platform.python_version()}']
  for name in ('jax', 'jaxlib', 'jax-cuda12-plugin', 'jax-cuda13-plugin'):
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
      versions.append(f'{name} {importlib.metadata.version(name)}')
  fields = (
    'name,driver_version,compute_cap,clocks.sm,clocks.max.sm,clocks.mem,'
    'clocks.max.mem,power.limit,temperature.gpu'
  )
  command = ['nvidia-smi', f'--query-gpu={fields}', '--format=csv']
  try:
    table = subprocess.run(
      command, capture_output=True, text=True, timeout=30, check=True
    ).stdout.strip()
  except (OSError, subprocess.SubprocessError) as error:
    table = f'The card is not described: {error}'
  return f'{table}\n{", ".join(versions)}'


def run_part(name: str, command: list[str], seconds: float) -> list[dict]:
  """Runs a part and prints its rows as they come.

  Args:
    name: The name of the part.
    command: Its command, which prints each row as a line of `ROW` and JSON.
    seconds: The time after which it is killed.

  Returns:
    Its rows. If the part fails, the last one says why.
  """
  rows, others = [], []
  # The processes that it starts belong to its group, and end with it.
  with subprocess.Popen(
    command,
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
    errors='replace',
    start_new_session=True,
  ) as part:
    timer = threading.Timer(seconds, _end, [part])
    timer.start()
    for line in part.stdout:
      if line.startswith(ROW):
        rows.append(_shown({'part': name, **json.loads(line[len(ROW) :])}))
      else:
        others.append(line)
  if part.returncode:
    left = timer.is_alive()
    why = f'exit status {part.returncode}' if left else 'no time was left'
    reason = f'{why}: {"".join(others[-8:])[-1500:].strip()}'
    rows.append(_shown({'part': name, 'failed': reason}))
  timer.cancel()
  return rows


def _end(part: subprocess.Popen) -> None:
  with contextlib.suppress(ProcessLookupError):
    os.killpg(part.pid, signal.SIGKILL)


def _shown(row: dict) -> dict:
  """Prints a row and returns it."""
  print(', '.join(f'{key} {value}' for key, value in row.items()), flush=True)
  return row


def main() -> None:
  parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
  only = parser.add_mutually_exclusive_group()
  only.add_argument('--quick', action='store_true', help='compare bits alone')
  only.add_argument(
    '--rehearse', action='store_true', help='fit a tiny network on the CPU'
  )
  options = parser.parse_args()
  card = describe()
  print(card, flush=True)
  if options.rehearse:
    os.environ['JAX_PLATFORMS'] = 'cpu'
  # A rehearsal takes place beside other work.
  patience = 4 if options.rehearse else 1
  rows, start = [], time.time()
  for name, seconds in (QUICK if options.quick else PARTS).items():
    left = max(1, start + patience * _MOST_SECONDS - time.time())
    ends = time.time() + min(patience * seconds, left)
    command = [sys.executable, '-m', 'benchmarks.fit_gpu', name]
    command += [f'--ends={ends}', *['--rehearse'] * options.rehearse]
    most = min(patience * (seconds + _SECONDS_MORE), left)
    rows += run_part(name, command, most)
    if name == 'device' and 'failed' in rows[-1]:
      raise SystemExit('No fit ran on the GPU, so nothing was measured.')
  print(describe())
  seconds = round(time.time() - start)
  result = {'benchmark': 'gpu', 'card': card, 'seconds': seconds, 'rows': rows}
  print(json.dumps(result))


if __name__ == '__main__':
  main()
