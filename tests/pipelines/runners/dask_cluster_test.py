"""A build on a real Dask cluster; `benchmarks/dask_cluster.py` describes it."""

import json
import os
import subprocess
import sys

import pytest

pytest.importorskip('distributed')


# The tests of docs/runners.md run a Dask build in which no worker dies.
@pytest.mark.nightly
def test_a_worker_killed_in_mid_build_costs_nothing(all_cores):
  script = subprocess.run(
    [sys.executable, '-m', 'benchmarks.dask_cluster', '80'],
    capture_output=True,
    text=True,
    encoding='utf-8',
    timeout=300,
    check=False,
    env=os.environ | {'PYTHONPATH': os.pathsep.join(sys.path)},
  )
  assert script.returncode == 0, script.stderr
  log = json.loads(script.stdout.splitlines()[-1])
  assert 0 < log['finished'] < log['shards'] == 20
  assert all(log['at_work'][name] for name in ('first', 'second'))
  assert log['sound']
  assert log['identical']
