"""Compares the throughput of a whole build with that of the fit alone.

  python -m benchmarks.pipeline

The build fits 512 drawn images with the default config on all cores. The fit
alone is measured before and after it, with one pinned process per core.
"""

import json
import os
import pathlib
import subprocess
import tempfile
import time

import numpy as np

from benchmarks.drawn import build_command, prepare
from benchmarks.fit import kernels, run_table
from transforms import LinacConfig

EXAMPLES = 512


def build(num_examples: int, *options: str) -> tuple[float, list[float]]:
  """Returns the seconds of a build, and the seconds until each shard's end.

  Args:
    num_examples: The number of drawn images.
    *options: Options of `pipelines.build`.
  """
  with tempfile.TemporaryDirectory() as data_dir:
    prepare(num_examples, data_dir)
    start, finished = time.time(), {}
    command = build_command(data_dir, *options)
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    while process.poll() is None:
      for path in pathlib.Path(data_dir).glob('*/*/staging*/manifests/*.json'):
        finished.setdefault(path.name, time.time() - start)
      time.sleep(0.05)
    if process.returncode:
      raise SystemExit(process.returncode)
    return time.time() - start, sorted(finished.values())


def main() -> None:
  cores = len(os.sched_getaffinity(0))
  kernel = kernels()[0]
  table = ([kernel], 'float32', cores, 8)
  before = run_table(*table)
  seconds, finished = build(EXAMPLES)
  first = finished[0]
  # Workers run out of shards one after the other. In the tail, only some work.
  tail = finished[-1] - finished[-cores]
  after = run_table(*table)
  alone, limit = (
    float(np.median([*before[name], *after[name]]))
    for name in (kernel, 'limit')
  )
  rate = EXAMPLES / seconds
  # When the first shard is finished, each core has about finished one shard of
  # 32 images.
  steady = (EXAMPLES - 32 * cores) / (seconds - first)
  flops = LinacConfig().flops((32, 32, 3))
  print('                          images/s  of the fit alone  of limit')
  for name, value in [
    ('fit alone', alone),
    ('build, start to published', rate),
    ('build, after first shards', steady),
  ]:
    print(
      f'{name:26}{value:8.2f}{value / alone:15.0%}{value * flops / limit:14.0%}'
    )
  print(f'first shard after {first:.1f} s, last worker alone for {tail:.1f} s')
  result = {
    'fit': alone,
    'build': rate,
    'steady': steady,
    'first_shard': first,
    'last_shard': finished[-1],
    'tail': tail,
    'seconds': seconds,
  }
  print(json.dumps({'benchmark': 'pipeline', **result}))


if __name__ == '__main__':
  main()
