"""A worker process prepares its device: compiled programs, and GPUs."""

import os
import pathlib
import subprocess
import sys
import traceback
import types

import jax
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from pipelines.plan.saved_plan import save_plan
from pipelines.worker import device
from transforms import LinacConfig, linac

IMAGES = np.arange(192, dtype=np.uint8).reshape(1, 8, 8, 3)
CONFIG = LinacConfig(num_epochs=1, width=16, num_layers=3)


@pytest.fixture
def fit_afresh():
  """A fit as in a new process, which must compile a program or find one."""

  def fit(cache=None) -> bytes:
    jax.clear_caches()
    compilation_cache.reset_cache()
    device.set_up(False, cache and str(cache))
    return linac(IMAGES, CONFIG).representation.tobytes()

  yield fit
  jax.config.update('jax_compilation_cache_dir', None)
  compilation_cache.reset_cache()


def programs(cache) -> list[pathlib.Path]:
  return [path for path in cache.rglob('*') if 'fit' in path.name]


def test_programs_of_others_are_found_and_change_no_bits(fit_afresh, tmp_path):
  expected = fit_afresh()
  assert fit_afresh(tmp_path) == expected
  (program,) = programs(tmp_path)
  # A CPU with other instructions must not find a program of this one.
  assert program.parent.name.startswith('cpu-')
  written = program.stat().st_mtime_ns
  assert fit_afresh(tmp_path) == expected
  assert [p.stat().st_mtime_ns for p in programs(tmp_path)] == [written]


def test_programs_are_shared_through_a_bucket(fit_afresh, bucket):
  expected = fit_afresh()
  cache = bucket.root / 'programs'
  assert fit_afresh(cache) == expected
  assert len(programs(cache)) == 1
  assert fit_afresh(cache) == expected


def test_a_damaged_program_is_compiled_anew(fit_afresh, tmp_path):
  expected = fit_afresh(tmp_path)
  (program,) = programs(tmp_path)
  program.write_bytes(program.read_bytes()[:1000])
  with pytest.warns(UserWarning, match='Error reading persistent compilation'):
    assert fit_afresh(tmp_path) == expected


def test_a_cache_that_is_no_folder_costs_time_only(fit_afresh, tmp_path):
  file = tmp_path / 'file'
  file.write_text('')
  expected = fit_afresh()
  with pytest.warns(UserWarning, match='NotADirectoryError'):
    assert fit_afresh(file) == expected


def test_the_last_line_of_a_failure_of_jax_is_its_reason():
  device.set_up(False, None)
  with pytest.raises(ZeroDivisionError) as caught:
    jax.jit(lambda x: x + 1 // 0)(1)
  assert 'ZeroDivision' in traceback.format_exception(caught.value)[-1]


def test_a_worker_without_its_accelerator_is_refused():
  with pytest.raises(RuntimeError, match='JAX finds no accelerator'):
    device.set_up(True, None)


def test_tensorflow_gets_no_gpu(monkeypatch):
  hidden = []
  config = types.SimpleNamespace(
    set_visible_devices=lambda *arguments: hidden.append(arguments)
  )
  monkeypatch.setitem(
    sys.modules, 'tensorflow', types.SimpleNamespace(config=config)
  )
  monkeypatch.delenv('TF_FORCE_GPU_ALLOW_GROWTH', raising=False)
  device.set_up(False, None)
  assert hidden == [([], 'GPU')]
  assert os.environ['TF_FORCE_GPU_ALLOW_GROWTH'] == 'true'


def test_workers_and_planners_use_no_tensorflow(lab):
  plan = lab.plan()
  save_plan(plan)
  code = f"""
import sys
from pipelines.runners import pipeline
task, *_ = pipeline.plan_tasks({str(plan.staging)!r})
fit = pipeline.FitTask(False, None)
fit.setup()
assert all(record.sha256 for _, record in fit.process(task))
print('tensorflow' in sys.modules)
"""
  output = subprocess.check_output([sys.executable, '-c', code], text=True)
  assert output == 'False\n'
