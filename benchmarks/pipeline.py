"""A whole build against the fit alone.

  python -m benchmarks.pipeline

512 drawn images, the paper's configuration, float32, all cores. The fit alone
is measured before and after, in as many pinned processes.
"""

import json
import os
import pathlib
import subprocess
import tempfile
import time

from benchmarks.drawn import build_command, prepare
from benchmarks.fit import run_row

EXAMPLES = 512


def build() -> tuple[float, float]:
  """Seconds of a build, and of them until its first shard was finished."""
  with tempfile.TemporaryDirectory() as data_dir:
    prepare(EXAMPLES, data_dir)
    start, first = time.time(), None
    process = subprocess.Popen(build_command(data_dir), stdout=subprocess.PIPE)
    while process.poll() is None:
      if first is None and list(
        pathlib.Path(data_dir).glob('*/*/staging*/manifests/*.json')
      ):
        first = time.time()
      time.sleep(0.05)
    if process.returncode:
      raise SystemExit(process.returncode)
    return time.time() - start, first - start


def main() -> None:
  cores = len(os.sched_getaffinity(0))
  row = ('linac', 'float32', 1, cores, True)
  before = run_row(*row)
  seconds, first = build()
  after = run_row(*row)
  alone = (before['images_per_s'] + after['images_per_s']) / 2
  gemm = (before['gemm_gflops'] + after['gemm_gflops']) / 2
  rate = EXAMPLES / seconds
  # Shards of 32 images: so many were finished together first, one per core.
  steady = (EXAMPLES - 32 * cores) / (seconds - first)
  flops = before['gflops'] / before['images_per_s']
  print('                          images/s  of the fit alone  of gemm')
  for name, value in [
    ('fit alone', alone),
    ('build, start to published', rate),
    ('build, after first shards', steady),
  ]:
    print(
      f'{name:26}{value:8.2f}{value / alone:15.0%}{value * flops / gemm:13.0%}'
    )
  result = {'fit': alone, 'build': rate, 'steady': steady, 'first_shard': first}
  print(json.dumps({'benchmark': 'pipeline', **result}))


if __name__ == '__main__':
  main()
