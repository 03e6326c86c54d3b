import pytest

from linac_config import KeylessConfig
from pipelines import build
from pipelines.plan.settings import Settings
from pipelines.runners.beam_runner import BeamRunner
from pipelines.runners.dask_cluster import DaskRunner
from pipelines.runners.dataflow import DataflowRunner
from pipelines.runners.find_runner import find_runner
from pipelines.runners.local import devices
from pipelines.runners.local.runner import LocalRunner


@pytest.mark.parametrize(
  ('name', 'kind'),
  [
    (None, LocalRunner),
    ('DirectRunner', LocalRunner),
    ('direct', LocalRunner),
    ('apache_beam.runners.direct.FnApiRunner', LocalRunner),
    ('dask', DaskRunner),
    ('DaskRunner', DaskRunner),
    ('DataflowRunner', DataflowRunner),
    ('FlinkRunner', BeamRunner),
  ],
)
def test_a_runner_is_found_by_its_name(name, kind):
  assert type(find_runner(name)) is kind


@pytest.mark.parametrize(
  ('runner', 'settings', 'message'),
  [
    (None, {'direct_num_workers': 9999}, 'direct_num_workers=9999.* core'),
    (None, {'worker_ram': '8GB'}, "worker_ram='8GB' is for workers that"),
    ('dask', {'worker_ram': '8GB'}, "worker_ram='8GB' is for workers that"),
    (
      'DataflowRunner',
      {'accelerator': 'nvidia-l4'},
      "accelerator='nvidia-l4' is no accelerator",
    ),
    ('DataflowRunner', {'accelerator': 'type:nvidia-l4;count:2'}, 'count:1'),
    (
      'DataflowRunner',
      {'accelerator': 'type:nvidia-l4;count:1'},
      'install-nvidia-driver',
    ),
    ('DataflowRunner', {'worker_ram': '16'}, "worker_ram='16' is no size"),
  ],
)
def test_settings_that_a_runner_cannot_use_are_named(runner, settings, message):
  with pytest.raises(ValueError, match=message):
    find_runner(runner).check(Settings(**settings))


@pytest.mark.parametrize(
  'kind', ['tpu-v5-lite-podslice', 'nvidia-tesla-v100', 'nvidia-tesla-p4']
)
def test_some_accelerators_compute_no_canonical_arithmetic(kind):
  accelerator = f'type:{kind};count:1;install-nvidia-driver'
  settings, runner = Settings(accelerator=accelerator), find_runner('dataflow')
  with pytest.raises(ValueError, match=f'{kind}.*7.5.*--arithmetic=xla'):
    runner.check_transform(KeylessConfig(arithmetic='canonical'), settings)
  runner.check_transform(KeylessConfig(arithmetic='xla'), settings)


@pytest.mark.parametrize('kind', ['nvidia-tesla-t4', 'nvidia-l4'])
def test_gpus_from_turing_on_compute_canonical_arithmetic(kind):
  accelerator = f'type:{kind};count:1;install-nvidia-driver'
  find_runner('dataflow').check_transform(
    KeylessConfig(arithmetic='canonical'), Settings(accelerator=accelerator)
  )


def test_old_gpus_of_this_machine_compute_no_canonical_arithmetic(
  monkeypatch, capsys, tmp_path
):
  gpu = devices.Gpu('GPU-5e1f', 'Tesla V100-SXM2-16GB', (7, 0))
  monkeypatch.setattr(devices, 'gpus', lambda: (gpu,))
  runner = find_runner(None)
  runner.check_transform(KeylessConfig(arithmetic='xla'), Settings())
  argv = ['--source=sample', '--arithmetic=canonical', f'--data_dir={tmp_path}']
  for options in ([], ['--plan']):
    assert build.main([*argv, *options]) == 2
    message = capsys.readouterr().err
    assert 'Tesla V100-SXM2-16GB has compute capability 7.0' in message
    assert 'Pass --arithmetic=xla' in message
  assert not list(tmp_path.iterdir())


def test_newer_gpus_of_this_machine_compute_canonical_arithmetic(monkeypatch):
  gpus = (devices.Gpu('GPU-5e1f', 'Tesla T4', (7, 5)),)
  monkeypatch.setattr(devices, 'gpus', lambda: gpus)
  find_runner(None).check_transform(
    KeylessConfig(arithmetic='canonical'), Settings()
  )
