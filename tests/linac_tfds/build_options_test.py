"""Tests that a builder's arguments become the same command-line options."""

import dataclasses

import pytest
import tensorflow_datasets as tfds
from apache_beam.options.pipeline_options import (
  DebugOptions,
  GoogleCloudOptions,
  PipelineOptions,
  StandardOptions,
  WorkerOptions,
)
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from linac_config import LinacConfig
from linac_tfds import LinacBuilderConfig, build_options
from linac_tfds.build_options import (
  beam_flags,
  builder_options,
  download_options,
  path_options,
)
from pipelines.command_line import options

FIELDS = {
  'seed': -7,
  'width': 64,
  'use_bias': False,
  'learning_rate': 2e-3,
  'eps': 1e-16,
  'precision': 'float64',
  'mean': (0.1307,),
  'std': (0.3081,),
}
Config = tfds.download.DownloadConfig


def test_a_config_is_the_same_after_the_way_there():
  config = LinacBuilderConfig(source='cifar10_corrupted/fog_1', **FIELDS)
  found = options.parse(builder_options(config.source, config.linac, None))
  assert found.configs[0].name == config.name
  assert found.configs[0].linac == config.linac


def test_defaults_are_left_out():
  assert builder_options('sample', LinacConfig(), None) == ['--source=sample']


def test_a_private_config_is_its_name_and_no_seed():
  config = LinacBuilderConfig(private_name='mine', key_derivation='full')
  assert builder_options('cifar10', config.linac, 'mine') == [
    '--source=cifar10',
    '--config_name=mine',
    '--key_derivation=full',
  ]


def test_settings_and_paths(tmp_path):
  config = Config(
    max_examples_per_split=5,
    download_mode=tfds.GenerateMode.REUSE_CACHE_IF_EXISTS,
  )
  found = options.parse(
    download_options(config)
    + path_options(data_dir=tmp_path, download_dir='/d', source_data_dir=None)
  )
  assert found.settings.max_examples_per_split == 5
  assert found.settings.overwrite
  assert found.settings.download_dir == '/d'
  assert found.data_dir == str(tmp_path)
  assert found.source_data_dir is None
  assert download_options(Config()) == []


@pytest.mark.parametrize(
  ('settings', 'advice'),
  [
    ({'num_shards': 3}, 'num_shards=3 .*--examples_per_shard'),
    ({'max_shard_size': 1 << 20}, 'max_shard_size=.*--examples_per_shard'),
    ({'nondeterministic_order': True}, 'order of the source'),
    ({'manual_dir': '/d'}, 'manual_dir=.*prepare the source'),
    (
      {'download_mode': tfds.GenerateMode.UPDATE_DATASET_INFO},
      'download_mode=.*reuse_cache_if_exists',
    ),
  ],
)
def test_settings_that_a_build_cannot_respect_are_refused(settings, advice):
  with pytest.raises(ValueError, match=advice):
    download_options(Config(**settings))


def test_no_setting_of_tfds_is_ignored():
  respected = {
    *('max_examples_per_split', 'download_mode', 'beam_runner'),
    'beam_options',
    'try_download_gcs',  # There is no copy of the dataset on GCS.
  }
  names = {field.name for field in dataclasses.fields(Config)}
  assert names == respected | build_options._REFUSED.keys()


class Runner:
  """A runner that a module other than Beam defines."""


def test_runners_are_passed_on_by_what_beam_finds_them_by(monkeypatch):
  for runner, name in (
    ('DaskRunner', 'DaskRunner'),
    (FnApiRunner(), 'FnApiRunner'),
    (Runner(), f'{__name__}.Runner'),
  ):
    assert download_options(Config(beam_runner=runner)) == [f'--runner={name}']
  monkeypatch.setattr(Runner, '__module__', '__main__')
  with pytest.raises(ValueError, match='beam_runner is a Runner of this prog'):
    download_options(Config(beam_runner=Runner()))


def test_beam_options_of_all_kinds_are_the_same_after_the_way_there():
  beam = PipelineOptions(
    ['--project=p', '--no_use_public_ips', '--experiments=a', '--streaming'],
    region='r',
    runner='DaskRunner',
  )
  beam.view_as(WorkerOptions).num_workers = 3
  beam.view_as(StandardOptions).streaming = False
  beam.view_as(DebugOptions).add_experiment('b')
  beam.view_as(GoogleCloudOptions).labels = ['x=y', 'z=']
  flags = beam_flags(beam)
  assert '--streaming' not in flags
  found = PipelineOptions(flags).get_all_options(drop_default=True)
  assert found == beam.get_all_options(drop_default=True)
  assert found['use_public_ips'] is False
  # A runner that is given beside the options takes precedence.
  config = Config(beam_runner='FlinkRunner', beam_options=beam)
  runners = [o for o in download_options(config) if o.startswith('--runner')]
  assert runners == ['--runner=FlinkRunner']


@pytest.mark.parametrize('mode', ['in_memory', 'multi_processing'])
def test_local_processes_are_numbered_in_one_mode(mode):
  beam = PipelineOptions(
    [f'--direct_running_mode={mode}', '--direct_num_workers=2']
  )
  numbered = '--direct_num_workers=2' in beam_flags(beam)
  assert numbered == (mode == 'multi_processing')


def test_one_local_process_is_asked_for_by_name():
  """It is Beam's default, and not that of the command."""
  beam = PipelineOptions(['--direct_running_mode=multi_processing'])
  assert '--direct_num_workers=1' in beam_flags(beam)


def test_flags_that_nobody_knows_are_for_the_command_to_name():
  assert beam_flags(PipelineOptions(['--nosuch=1'])) == ['--nosuch=1']


def test_what_no_flag_says_is_refused_by_name():
  beam = PipelineOptions([])
  beam.view_as(WorkerOptions).machine_type = object()
  with pytest.raises(ValueError, match='beam_options: machine_type=<object'):
    beam_flags(beam)
