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


def test_an_accelerator_computes_no_canonical_arithmetic():
  accelerator = 'type:nvidia-l4;count:1;install-nvidia-driver'
  settings, runner = Settings(accelerator=accelerator), find_runner('dataflow')
  with pytest.raises(ValueError, match="accelerator='type.*--arithmetic=xla"):
    runner.check_transform(KeylessConfig(arithmetic='canonical'), settings)
  runner.check_transform(KeylessConfig(arithmetic='xla'), settings)
  runner.check_transform(KeylessConfig(arithmetic='canonical'), Settings())


def test_gpus_of_this_machine_compute_no_canonical_arithmetic(
  monkeypatch, capsys, tmp_path
):
  gpu = devices.Gpu('GPU-5e1f', 'NVIDIA H200')
  monkeypatch.setattr(devices, 'gpus', lambda: (gpu,))
  runner = find_runner(None)
  runner.check_transform(KeylessConfig(arithmetic='xla'), Settings())
  argv = ['--source=sample', '--arithmetic=canonical', f'--data_dir={tmp_path}']
  for options in ([], ['--plan']):
    assert build.main([*argv, *options]) == 2
    message = capsys.readouterr().err
    assert "arithmetic='canonical' needs CPUs" in message
    assert '1 NVIDIA H200. Pass --arithmetic=xla' in message
  assert not list(tmp_path.iterdir())
