import dataclasses
import os
import shutil
import types

import pytest
import tensorflow_datasets as tfds

import linac_tfds
from linac_tfds import Cifar10Linac
from pipelines.command_line.command import mending_command
from pipelines.errors import BuildError
from pipelines.plan.settings import Settings
from pipelines.preparation.checks import check_folder, check_space
from pipelines.preparation.make_plan import make_plan
from tests.pipelines.conftest import is_published


def test_all_splits_and_examples_by_default(lab):
  assert lab.plan().splits == (('train', 100), ('test', 20))


def test_splits_and_limits(lab):
  plan = lab.plan(Settings(splits=('test',), max_examples_per_split=3))
  assert plan.splits == (('test', 3),)


@pytest.mark.parametrize(
  ('split', 'size'),
  [
    ('train[:7]', 7),
    ('train[:100]', 100),
    ('train[:15%]', 15),
    ('test[:3%]', 1),
  ],
)
def test_the_start_of_a_split(lab, split, size):
  plan = lab.plan(Settings(splits=(split,)))
  assert plan.splits == ((split.partition('[')[0], size),)
  # TFDS reads as many.
  source = tfds.data_source('sample', split=split, data_dir=lab.data_dir)
  assert len(source) == size
  whole = lab.plan(Settings(splits=plan.splits[0][:1]))
  assert (plan.config_name, plan.directory) == (
    whole.config_name,
    whole.directory,
  )


@pytest.mark.parametrize(
  ('settings', 'message'),
  [
    ({'max_examples_per_split': 0}, 'max_examples_per_split=0'),
    ({'examples_per_shard': -1}, 'examples_per_shard=-1'),
    ({'images_per_batch': 0}, 'images_per_batch=0'),
    ({'direct_num_workers': -2}, 'direct_num_workers=-2'),
    ({'storage_dtype': 'float8'}, "storage_dtype='float8'"),
    ({'splits': ('test', 'test')}, 'names a split twice'),
    ({'splits': ('test', 'test[:3]')}, 'names a split twice'),
    ({'splits': ('train[5:]',)}, r'train\[5:\].*pass other slices'),
    ({'splits': ('train[:-5]',)}, 'pass other slices'),
    ({'splits': ('train+test',)}, 'sums of splits to tfds.load'),
    ({'splits': ('train[:101]',)}, 'choose 1 to 100 of them'),
    ({'splits': ('train[:101%]',)}, '101 of the 100 examples of train'),
    ({'splits': ('test[:0]',)}, '0 of the 20 examples of test'),
    ({'splits': ('test[:2%]',)}, r"'test\[:2%\]' is 0 of the 20"),
    ({'splits': ('dev[:2]',)}, "'dev'.*it has train, test"),
    ({'file_format': 'parquet'}, "file_format='parquet'"),
    ({'splits': ('validation',)}, "'validation'.*it has train, test"),
  ],
)
def test_bad_settings_are_named(lab, settings, message):
  with pytest.raises(ValueError, match=message):
    lab.plan(Settings(**settings))


def test_a_transform_must_fit_the_images(lab):
  with pytest.raises(ValueError, match='batch_size=48 .* 1024 pixels'):
    lab.plan(batch_size=48)
  with pytest.raises(ValueError, match=r'mean=\(0.5,\) .* 3 channel'):
    lab.plan(mean=0.5, std=0.5)


def test_a_full_disk_is_refused(lab, monkeypatch):
  usage = types.SimpleNamespace(free=10_000)
  monkeypatch.setattr(shutil, 'disk_usage', lambda path: usage)
  with pytest.raises(BuildError, match=r'needs 0\.0 GB in .* 0\.0 GB free'):
    check_space([lab.plan()])


def test_a_disk_must_have_room_for_all_datasets(lab, monkeypatch):
  plans = [lab.plan(seed=1), lab.plan(seed=2)]
  usage = types.SimpleNamespace(free=3_000_000)
  monkeypatch.setattr(shutil, 'disk_usage', lambda path: usage)
  for plan in plans:
    check_space([plan])
  with pytest.raises(BuildError, match='GB free'):
    check_space(plans)


def test_a_folder_that_cannot_be_written_is_refused(lab, monkeypatch):
  # Root may write anywhere, so ask os.access instead of changing the mode.
  monkeypatch.setattr(os, 'access', lambda path, mode: False)
  with pytest.raises(BuildError, match=f'{lab.data_dir}.* cannot be written'):
    lab.plan()


def test_a_name_no_folder_can_have_is_refused(tmp_path):
  with pytest.raises(BuildError, match='too long'):
    check_folder(tmp_path / ('a' * 300))


def test_an_unprepared_source_without_a_network_is_refused(
  tmp_path, monkeypatch
):
  monkeypatch.setattr(tfds.core.constants, 'DATA_DIR', str(tmp_path / 'none'))
  # A port on which nobody listens.
  monkeypatch.setenv('https_proxy', 'http://127.0.0.1:9')
  builder = Cifar10Linac(
    config='mnist_seed_1+batch_size_196+mean_0.1307+std_0.3081',
    data_dir=tmp_path,
  )
  with pytest.raises(
    BuildError, match='(?s)mnist.*not be downloaded.*--source=sample'
  ):
    make_plan(builder, Settings())


@pytest.mark.parametrize('is_visible', [True, False])
def test_a_finished_build_needs_no_space(lab, monkeypatch, is_visible):
  settings = Settings(max_examples_per_split=2)
  plan = lab.plan(settings)
  lab.run(plan)
  if not is_visible:  # Its shards will be linked.
    (plan.directory / 'dataset_info.json').unlink()
  usage = types.SimpleNamespace(free=0)
  monkeypatch.setattr(shutil, 'disk_usage', lambda path: usage)
  check_space([lab.plan(settings)])


def test_shards_of_another_dataset_save_no_space(lab, monkeypatch):
  settings = Settings(max_examples_per_split=2)
  plan = lab.plan(settings)
  lab.run(plan)
  (plan.directory / 'dataset_info.json').unlink()  # Killed in mid-publishing.
  other = lab.plan(dataclasses.replace(settings, min_psnr=1.0))
  usage = types.SimpleNamespace(free=0)
  monkeypatch.setattr(shutil, 'disk_usage', lambda path: usage)
  with pytest.raises(BuildError, match='GB free'):
    check_space([other])


def test_another_format_needs_overwrite(lab):
  settings = Settings(max_examples_per_split=2)
  lab.run(lab.plan(settings))
  other = dataclasses.replace(settings, file_format='array_record')
  with pytest.raises(BuildError, match='--overwrite'):
    lab.plan(other)
  plan = lab.plan(dataclasses.replace(other, overwrite=True))
  lab.run(plan)
  builder = tfds.builder_from_directory(plan.directory)
  assert len(builder.as_data_source('train')) == 2


def test_sources_without_images_or_labels_are_refused(tmp_path):
  tfds.testing.DummyDataset(data_dir=tmp_path).download_and_prepare()
  with pytest.raises(ValueError, match='no Image feature `image`'):
    Cifar10Linac(config='dummy_dataset_seed_1', data_dir=tmp_path)


def test_an_older_version_of_the_source_is_fitted(lab, monkeypatch):
  monkeypatch.setattr(linac_tfds.Sample, 'VERSION', tfds.core.Version('1.0.1'))
  newest = linac_tfds.Sample(data_dir=lab.data_dir)
  newest.download_and_prepare()
  few = Settings(max_examples_per_split=2)
  assert lab.plan(few).source.version == '1.0.1'
  plan = lab.plan(few, source='sample:1.0.0')
  assert (plan.source.name, plan.source.version) == ('sample', '1.0.0')
  assert plan.config_name == lab.plan(few).config_name
  # Neither the published metadata nor the mending command need the newest one.
  shutil.rmtree(newest.data_path)
  lab.run(plan)
  assert is_published(plan)
  command = mending_command(plan, skips_bad=False)
  assert '--source=sample:1.0.0' in command.arguments()
  (config,) = command.configs
  again = make_plan(command.builder(config), command.settings)
  assert again.fingerprint == plan.fingerprint
