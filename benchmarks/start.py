"""Measures how long a tiny build takes to start and to end, on this machine.

  python -m benchmarks.start [--other /path/to/another/checkout] [--runs 5]

Builds take turns with those of the other checkout, whose `liblinac` must have
been compiled. For each of them the program prints one JSON line: the medians of
the seconds until the build says what it will do, until its first manifest is
there and until it ends, and of the CPU seconds of all its processes.
"""

import argparse
import json
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time

_TINY = '--source sample --num_epochs 1 --width 32 --max_examples_per_split 4'


def _build(checkout: pathlib.Path) -> dict[str, float]:
  """Runs a build with the code of a checkout, and measures it in seconds."""
  found = {}
  before = _cpu_seconds()
  begin = time.monotonic()

  def note(name: str) -> None:
    found.setdefault(name, time.monotonic() - begin)

  def read(lines) -> None:
    for line in lines:
      if line.startswith('Building '):
        note('says')

  with tempfile.TemporaryDirectory() as folder:
    command = [sys.executable, '-P', '-m', 'pipelines.build', *_TINY.split()]
    process = subprocess.Popen(
      [*command, '--data_dir', folder],
      env=os.environ | {'PYTHONPATH': str(checkout)},
      stdout=subprocess.PIPE,
      stderr=subprocess.DEVNULL,
      text=True,
    )
    with process, process.stdout as lines:
      reader = threading.Thread(target=read, args=[lines])
      reader.start()
      manifests = 'cifar10_linac/*/staging*/manifests/*.json'
      while process.poll() is None:
        if any(pathlib.Path(folder).glob(manifests)):
          note('first_manifest')
        time.sleep(0.01)
      note('end')
      reader.join()
  if process.returncode:
    raise RuntimeError(f'The build of {checkout} failed.')
  return found | {'cpu_seconds': _cpu_seconds() - before}


def _cpu_seconds() -> float:
  """The CPU time of all processes that this one has started."""
  usage = resource.getrusage(resource.RUSAGE_CHILDREN)
  return usage.ru_utime + usage.ru_stime


def main() -> None:
  """Measures the checkouts in turns."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  parser.add_argument('--other', type=pathlib.Path)
  parser.add_argument('--runs', type=int, default=5)
  args = parser.parse_args()
  checkouts = [pathlib.Path(__file__).resolve().parents[1]]
  checkouts += [args.other] if args.other else []
  runs = {checkout: [] for checkout in checkouts}
  for _ in range(args.runs):
    for checkout in checkouts:
      runs[checkout].append(_build(checkout))
  for checkout, found in runs.items():
    medians = {
      name: round(statistics.median(run[name] for run in found), 2)
      for name in found[0]
    }
    print(json.dumps({'checkout': checkout.name} | medians))


if __name__ == '__main__':
  main()
