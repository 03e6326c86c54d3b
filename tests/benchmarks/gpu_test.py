"""The benchmark for GPUs, on a CPU: there it fits a tiny network."""

import json
import subprocess
import sys

import jax
import numpy as np
import pytest

from benchmarks import fit_gpu, gpu
from benchmarks.gpu_task import TINY, Task, on_device
from tests.conftest import REPOSITORY
from transforms import LinacConfig
from transforms.canonical.cuda.schedule import Estimate, Schedule

TASK = Task(LinacConfig(**TINY), True, float('inf'))


def run(*command: str) -> subprocess.CompletedProcess:
  return subprocess.run(
    [sys.executable, *command],
    cwd=REPOSITORY,
    capture_output=True,
    text=True,
    timeout=600,
  )


def part(program: str, seconds: float) -> list[dict]:
  return gpu.run_part('mine', [sys.executable, '-c', program], seconds)


def test_a_part_that_crashes_keeps_its_rows():
  row, failed = part(
    'import os; print("ROW {\\"per_s\\": 7}", flush=True); os.abort()', 60
  )
  assert row == {'part': 'mine', 'per_s': 7}
  assert failed['failed'].startswith('exit status -6')


def test_the_last_lines_of_a_part_that_fails_are_reported():
  (failed,) = part('raise SystemExit("There is no GPU.")', 60)
  assert failed['failed'] == 'exit status 1: There is no GPU.'


def test_a_part_that_hangs_is_killed():
  (failed,) = part('import signal; signal.pause()', 0.2)
  assert failed['failed'].startswith('no time was left')


def test_images_with_other_bits_are_found():
  fitted = [np.array(array) for array in on_device(TASK, 3)()]
  expected = list(zip(*map(np.copy, fitted), strict=True))
  assert not list(fit_gpu.differences(fitted, expected))
  fitted[2][1, 1] = np.nextafter(fitted[2][1, 1], 2)
  fitted[0][2, 5] += 1
  assert list(fit_gpu.differences(fitted, expected)) == [
    'image 1 from step 1 on',
    'image 2 from its results on',
  ]


def test_schedules_are_measured_the_best_first():
  found = [
    Estimate(rate, 0.1, Schedule(64, 1, images, 9))
    for rate, images in ((10, 1), (30, 2), (20, 4))
  ]
  rows = list(fit_gpu.sweep(TASK, found))
  assert [row['expected_per_s'] for row in rows] == [30, 20, 10]
  assert all(row['per_s'] > 0 and row['same_losses'] for row in rows)
  json.dumps(rows)
  assert not list(fit_gpu.sweep(TASK._replace(ends=0), found))


def test_without_beam_no_build_is_measured(monkeypatch):
  monkeypatch.setitem(sys.modules, 'apache_beam', None)
  assert list(fit_gpu.build(TASK)) == [
    {'skipped': 'apache_beam is not installed.'}
  ]


def test_the_fits_need_neither_beam_nor_tfds():
  hidden = ('apache_beam', 'tensorflow', 'tensorflow_datasets')
  done = run(
    '-c',
    f'import runpy, sys; sys.modules.update(dict.fromkeys({hidden})); '
    "sys.argv[1:] = ['bits_float32', '--rehearse']; "
    "runpy.run_module('benchmarks.fit_gpu', run_name='__main__')",
  )
  (line,) = done.stdout.splitlines()
  assert json.loads(line.removeprefix(gpu.ROW)) == {
    'images': 4,
    'with_other_bits': 0,
    'first': 'none',
  }


@pytest.mark.skipif(
  jax.default_backend() == 'gpu', reason='there is a GPU to measure'
)
def test_without_a_gpu_nothing_is_measured():
  done = run('-m', 'benchmarks.gpu', '--quick')
  assert 'JAX finds no GPU' in done.stdout
  assert 'nothing was measured' in done.stderr
  assert done.returncode == 1


@pytest.mark.nightly
def test_a_rehearsal_runs_every_part():
  done = run('-m', 'benchmarks.gpu', '--rehearse')
  assert done.returncode == 0, done.stderr
  rows = json.loads(done.stdout.splitlines()[-1])['rows']
  assert {row['part'] for row in rows} == set(gpu.PARTS)
  assert not [row for row in rows if 'failed' in row]
