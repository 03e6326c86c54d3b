"""Tests of the builder: its names, three ways to build, and ways to read."""

import os
import pickle
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.core.utils import file_utils
from tensorflow_datasets.scripts.cli import build as tfds_build
from tensorflow_datasets.scripts.cli import cli_utils

import linac_tfds
from linac_config.config import ARITHMETICS
from linac_config.reproducibility import promise
from linac_tfds import (
  Cifar10Linac,
  LinacBuilderConfig,
  Sample,
  build_process,
  sources,
)
from pipelines import build
from pipelines.command_line import options
from pipelines.runners.local import launch
from transforms import LinacConfig, linac

TINY = LinacBuilderConfig(
  source='sample',
  seed=3,
  num_layers=2,
  width=8,
  num_features=2,
  representation_layer=1,
  num_epochs=1,
  batch_size=128,
  precision='float64',
)
NAME = f'cifar10_linac/{TINY.name}'
IN_ORDER = tfds.ReadConfig(interleave_cycle_length=1)


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory):
  """A folder with the tiny dataset, built by `download_and_prepare`."""
  folder = tmp_path_factory.mktemp('built')
  tfds.builder(NAME, data_dir=folder).download_and_prepare()
  return folder


@pytest.mark.parametrize(
  ('name', 'arguments', 'config'),
  [
    ('cifar10_linac', {}, 'seed_-2314326399425823309'),
    ('cifar10_linac/seed_42', {}, 'seed_42'),
    ('cifar10_linac/seed_-42_f64', {}, 'seed_-42_f64'),
    ('cifar10_linac/seed=42', {}, 'seed_42'),
    ('cifar10_linac', {'seed': -42}, 'seed_-42'),
    ('cifar10_linac', {'config': 'seed_42'}, 'seed_42'),
    ('cifar10_linac', {'config': LinacBuilderConfig(seed=42)}, 'seed_42'),
    (
      'cifar10_linac',
      {'config': LinacBuilderConfig()},
      'seed_-2314326399425823309',
    ),
    ('cifar10_linac/seed_42:2.0.0', {}, 'seed_42'),
    (
      'cifar10_linac',
      {'seed': 3, 'source': 'sample', 'num_epochs': 2},
      'sample_seed_3+num_epochs_2',
    ),
    ('cifar10_linac/seed=3,source=sample', {}, 'sample_seed_3'),
    (
      'cifar10_linac',
      {'precision': 'float64', 'mean': 0.5, 'std': (0.5,), 'source': 'mnist'},
      'mnist_seed_-2314326399425823309_f64+mean_0.5+std_0.5',
    ),
    ('cifar10_linac', {'config': LinacConfig(seed=42)}, 'seed_42'),
  ],
)
def test_every_spelling_of_a_seed(tmp_path, name, arguments, config):
  builder = tfds.builder(name, data_dir=tmp_path, **arguments)
  assert builder.info.full_name == f'cifar10_linac/{config}/2.0.0'
  again = pickle.loads(pickle.dumps(builder))
  assert again.info.full_name == builder.info.full_name
  assert again.builder_config.linac == builder.builder_config.linac


def test_a_pickled_builder_keeps_its_arguments(tmp_path, sample_dir):
  builder = Cifar10Linac(
    config='sample_seed_1',
    data_dir=tmp_path,
    source_data_dir=sample_dir,
    label_feature='label',
    file_format='array_record',
  )
  again = pickle.loads(pickle.dumps(builder))
  assert again.source_data_dir == str(sample_dir)
  assert again.info.file_format == tfds.core.FileFormat.ARRAY_RECORD


def test_the_sample_is_found_in_another_format(tmp_path):
  Sample(data_dir=tmp_path, file_format='tfrecord').download_and_prepare()
  found = sources.find_source('sample', str(tmp_path), str(tmp_path))
  assert found.info.file_format == tfds.core.FileFormat.TFRECORD


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    ({'config': 'seed_fourty'}, 'names look like seed_42'),
    ({'seed': 'fourty'}, "seed='fourty' must be an integer"),
    ({'seed': 1.5}, 'seed=1.5 must be an integer'),
    ({'seed': 2**63}, '64-bit'),
    ({'seed': 1, 'config': 'seed_1'}, 'either'),
    ({'num_epochs': 2, 'config': 'seed_1'}, 'either'),
    ({'source': 'sample', 'config': 'seed_1'}, 'either'),
    ({'num_epochs': 0}, 'num_epochs=0'),
    ({'config': 'nosuch_seed_1'}, "source='nosuch' is no dataset"),
    ({'source': 'sample:9.9.9'}, "source='sample:9.9.9' is no dataset"),
    ({'source': 'sample:new'}, 'write it as NAME:VERSION'),
    ({'source': 'cifar10_linac:2.0.0'}, 'holds representations'),
    ({'config': 'cifar10_linac_seed_1'}, 'holds representations'),
  ],
)
def test_what_is_no_config_is_refused(tmp_path, arguments, message):
  with pytest.raises(ValueError, match=f'(?i){message}'):
    tfds.builder('cifar10_linac', data_dir=tmp_path, **arguments)


def test_a_source_can_have_a_version(tmp_path):
  Sample(data_dir=tmp_path).download_and_prepare()
  builder = tfds.builder(
    'cifar10_linac', source='sample:1.0.0', seed=3, data_dir=tmp_path
  )
  assert builder.builder_config.name == 'sample_seed_3'
  again = pickle.loads(pickle.dumps(builder))
  assert (builder.source, again.source) == 2 * ('sample:1.0.0',)


@pytest.mark.parametrize(
  ('name', 'suggestion'),
  [
    ('num_epoch', 'did you mean num_epochs?'),
    ('source_dir', 'did you mean source_data_dir?'),
    ('sauce', 'did you mean source?'),
    ('zzz', 'fields of the transform are key_derivation, '),
  ],
)
def test_an_unknown_argument_gets_a_suggestion(tmp_path, name, suggestion):
  message = re.escape(f"The argument '{name}' is unknown; {suggestion}")
  with pytest.raises(TypeError, match=message):
    tfds.builder('cifar10_linac', data_dir=tmp_path, **{name: 1})


def test_a_config_object_suggests_fields_too():
  with pytest.raises(TypeError, match=r'did you mean private_name\?'):
    LinacBuilderConfig(private_nam='mine')


@pytest.mark.parametrize(
  ('source', 'shape', 'classes'),
  [
    ('cifar10', (32, 32, 3), 10),
    ('cifar100', (32, 32, 3), 100),
    ('mnist', (28, 28, 1), 10),
    ('cifar10_corrupted/fog_1', (32, 32, 3), 10),
  ],
)
def test_features_follow_the_source(tmp_path, source, shape, classes):
  config = LinacBuilderConfig(source=source, seed=1, width=64)
  features = Cifar10Linac(config=config, data_dir=tmp_path).info.features
  assert features['image'].shape == shape
  assert features['label'].num_classes == classes
  assert features['representation'].shape == (*shape[:2], 64)
  assert features['representation'].np_dtype == np.float16


def sources_of(data_dir, split):
  """Returns the images that the dataset was built from."""
  return tfds.data_source('sample', split=split, data_dir=data_dir)


def test_load(data_dir):
  dataset, info = tfds.load(
    NAME,
    split='train',
    data_dir=data_dir,
    with_info=True,
    read_config=IN_ORDER,
  )
  examples = list(tfds.as_numpy(dataset))
  sources = list(sources_of(data_dir, 'train'))
  assert [e['id'].decode() for e in examples] == [
    f'train_{i:05d}' for i in range(100)
  ]
  images = np.stack([e['image'] for e in examples])
  np.testing.assert_array_equal(images, [s['image'] for s in sources])
  assert [e['label'] for e in examples] == [s['label'] for s in sources]
  fit = linac(images, TINY.linac)
  np.testing.assert_array_equal(
    [e['representation'] for e in examples],
    fit.representation.astype(np.float16),
  )
  np.testing.assert_allclose([e['psnr'] for e in examples], fit.psnr, rtol=1e-6)
  np.testing.assert_allclose(
    [e['final_loss'] for e in examples], fit.losses[:, -1], rtol=1e-6
  )
  assert info.metadata['config']['seed'] == 3


def ids(dataset):
  return [e['id'].decode() for e in tfds.as_numpy(dataset)]


@pytest.mark.parametrize('seed', [None, 1])
def test_files_are_shuffled_on_demand(data_dir, seed):
  shuffled = tfds.load(
    NAME,
    split='train',
    data_dir=data_dir,
    shuffle_files=True,
    read_config=tfds.ReadConfig(shuffle_seed=seed),
  )
  in_order = ids(tfds.load(NAME, split='train', data_dir=data_dir))
  assert in_order == [f'train_{i:05d}' for i in range(100)]
  # All ids come once. Without a seed, any order may come, this one too.
  assert sorted(ids(shuffled)) == in_order
  assert seed is None or ids(shuffled) != in_order


@pytest.mark.parametrize(
  'open_dataset',
  [
    lambda folder: tfds.builder(f'{NAME}:2.0.0', data_dir=folder),
    lambda folder: tfds.builder_from_directory(folder / NAME / '2.0.0'),
  ],
)
def test_files_that_are_read_without_the_code_need_a_read_config(
  data_dir, open_dataset
):
  builder = open_dataset(data_dir)
  with pytest.raises(ValueError, match='ordered dataset'):
    builder.as_dataset(split='train', shuffle_files=True)
  read_config = tfds.ReadConfig(shuffle_seed=1, enable_ordering_guard=False)
  shuffled = builder.as_dataset(
    split='train', shuffle_files=True, read_config=read_config
  )
  assert ids(shuffled) != sorted(ids(shuffled))


def test_subsplits_and_supervised_pairs(data_dir):
  pairs = tfds.load(
    NAME,
    split='train[90%:]+test[:2]',
    data_dir=data_dir,
    as_supervised=True,
  )
  representation, label = next(iter(tfds.as_numpy(pairs)))
  assert len(pairs) == 12
  assert representation.shape == (32, 32, 8)
  assert label.shape == ()


def test_read_without_the_code(data_dir):
  builder = tfds.builder_from_directory(data_dir / NAME / '2.0.0')
  assert len(builder.as_dataset(split='test')) == 20


def test_a_data_source(tmp_path):
  builder = tfds.builder(NAME, data_dir=tmp_path, file_format='array_record')
  builder.download_and_prepare()
  source = tfds.data_source(NAME, split='train', data_dir=tmp_path)
  assert len(source) == 100
  expected = sources_of(tmp_path, 'train')[57]
  np.testing.assert_array_equal(source[57]['image'], expected['image'])
  fit = linac(expected['image'][np.newaxis], TINY.linac)
  np.testing.assert_array_equal(
    source[57]['representation'], fit.representation[0].astype(np.float16)
  )


def test_preparing_twice_does_nothing(data_dir, capsys):
  before = sorted((p, p.stat().st_mtime_ns) for p in data_dir.rglob('*'))
  tfds.builder(NAME, data_dir=data_dir).download_and_prepare()
  assert capsys.readouterr().out == ''
  assert before == sorted(
    (p, p.stat().st_mtime_ns) for p in data_dir.rglob('*')
  )


def test_preparing_another_part_is_refused(data_dir):
  builder = Cifar10Linac(config=TINY, data_dir=data_dir)
  with pytest.raises(RuntimeError, match='--overwrite'):
    builder.download_and_prepare(
      download_config=tfds.download.DownloadConfig(max_examples_per_split=2)
    )


@pytest.mark.parametrize(
  ('option', 'advice'),
  [
    ('--num_shards=3', 'num_shards=3'),
    ('--max_shard_size_mb=1', 'max_shard_size=1048576'),
    ('--nondeterministic_order', 'nondeterministic_order=True'),
  ],
)
def test_tfds_build_refuses_what_it_cannot_do(data_dir, option, advice):
  """It does so for a finished dataset, too, for which nothing is to be done."""
  arguments = [NAME, '--imports=linac_tfds', f'--data_dir={data_dir}', option]
  parse = cli_utils.make_flags_parser(tfds_build.Args, '')
  with pytest.raises(ValueError, match=advice):
    parse(['', *arguments]).execute()


def test_another_format_is_refused_and_loses_nothing(data_dir):
  parse = cli_utils.make_flags_parser(tfds_build.Args, '')
  arguments = [NAME, '--imports=linac_tfds', f'--data_dir={data_dir}']
  arguments += ['--overwrite', '--file_format=array_record']
  with pytest.raises(
    ValueError, match='linac build --overwrite --file_format=array_record'
  ):
    parse(['', *arguments]).execute()
  assert len(tfds.load(NAME, split='test', data_dir=data_dir)) == 20


@pytest.fixture
def add_data_dir():
  """`tfds.core.add_data_dir`, which is undone after the test."""
  yield tfds.core.add_data_dir
  file_utils.clear_registered_data_dirs()


def test_a_dataset_is_found_in_an_added_folder(
  data_dir, add_data_dir, tmp_path, monkeypatch
):
  monkeypatch.setattr(tfds.core.constants, 'DATA_DIR', str(tmp_path))
  add_data_dir(data_dir)
  dataset = tfds.load(NAME, split='test', download=False)
  assert len(dataset) == 20


def test_a_source_is_found_in_an_added_folder(
  sample_dir, add_data_dir, tmp_path, monkeypatch
):
  monkeypatch.setattr(tfds.core.constants, 'DATA_DIR', str(tmp_path / 'own'))
  builder = tfds.builder(NAME, data_dir=tmp_path / 'new')
  add_data_dir(sample_dir)
  given = []

  def build_nothing(options, unset):
    given.extend(options)
    raise RuntimeError('nothing is built')

  monkeypatch.setattr(build_process, 'build', build_nothing)
  with pytest.raises(RuntimeError, match='nothing is built'):
    builder.download_and_prepare()
  assert f'--source_data_dir={sample_dir}' in given
  (found,) = options.parse(given).configs
  assert found.name == TINY.name


def test_the_home_folder_is_expanded(tmp_path, monkeypatch):
  monkeypatch.setenv('HOME', str(tmp_path))
  builder = tfds.builder(NAME, data_dir='~/data')
  assert builder.data_path.parents[2] == tmp_path / 'data'


def test_a_relative_folder_is_that_of_the_time_of_the_call(
  tmp_path, sample_dir, monkeypatch
):
  monkeypatch.chdir(sample_dir.parent)
  builder = Cifar10Linac(
    config=TINY, data_dir='here', source_data_dir=sample_dir.name
  )
  # The environment variable TFDS_DATA_DIR sets this default.
  monkeypatch.setattr(tfds.core.constants, 'DATA_DIR', sample_dir.name)
  default = Cifar10Linac(config=TINY)
  monkeypatch.chdir(tmp_path)
  for one in (builder, pickle.loads(pickle.dumps(builder))):
    assert one.data_path.parents[2] == sample_dir.parent / 'here'
    assert one.source_data_dir == str(sample_dir)
  assert default.data_path.parents[2] == sample_dir


def test_preparing_says_first_what_it_will_do(tmp_path, capsys, monkeypatch):
  older = tmp_path / 'cifar10_linac' / TINY.name / '0.9.0'
  older.mkdir(parents=True)
  (older / 'dataset_info.json').write_text('{}')
  monkeypatch.setattr(launch, 'run', lambda *args: 1 / 0)
  # The build runs in this process and ends where it would start its driver.
  monkeypatch.setattr(
    build_process, 'build', lambda options, unset: build.main(options)
  )
  with pytest.raises(ZeroDivisionError):
    tfds.builder(NAME, data_dir=tmp_path).download_and_prepare(
      download_config=tfds.download.DownloadConfig(max_examples_per_split=2)
    )
  output = capsys.readouterr().out
  for part in ('images   4', 'size', 'time', str(tmp_path)):
    assert part in output
  # The build prints a command that would start the same build.
  line = next(s for s in output.splitlines() if 'pipelines.build' in s)
  command = options.parse(shlex.split(line)[3:])
  assert command.configs[0].name == TINY.name
  assert command.settings.max_examples_per_split == 2
  assert f'cifar10_linac/{TINY.name}:0.9.0' in output


def test_tfds_build(data_dir, tmp_path):
  """`tfds build` makes the same files as `download_and_prepare`."""
  subprocess.run(
    [
      *(sys.executable, '-m', 'tensorflow_datasets.scripts.cli.main', 'build'),
      *(NAME, '--imports', 'linac_tfds', '--data_dir', str(tmp_path)),
    ],
    check=True,
    capture_output=True,
  )
  ours, theirs = (
    {p.name: p.read_bytes() for p in (f / NAME / '2.0.0').glob('*linac-*')}
    for f in (data_dir, tmp_path)
  )
  assert len(ours) == 5
  assert ours == theirs


def test_reading_needs_neither_beam_nor_jax(data_dir):
  code = f"""
import sys
sys.modules['jax'] = sys.modules['apache_beam'] = None
import linac_tfds
import tensorflow_datasets as tfds
dataset = tfds.load({NAME!r}, split='test', data_dir={str(data_dir)!r})
assert len(list(dataset)) == 20
assert len(tfds.data_source('sample', split='test', data_dir={str(data_dir)!r}))
"""
  subprocess.run(
    [sys.executable, '-c', code], check=True, env=os.environ, timeout=120
  )


class TfdsConventionsTest(tfds.testing.DatasetBuilderTestCase):
  """Checks of the builder that TFDS itself provides."""

  DATASET_CLASS = linac_tfds.Cifar10Linac
  BUILDER_CONFIG_NAMES_TO_TEST = (TINY.name,)
  SPLITS = {'train': 100, 'test': 20}  # noqa: RUF012
  EXAMPLE_DIR = os.path.dirname(__file__)


@pytest.mark.parametrize('seed', [3, LinacConfig().seed])
def test_a_name_has_the_meaning_of_its_version(seed):
  old = Cifar10Linac.get_builder_config(f'seed_{seed}', '1.0.2')
  assert old.linac == LinacConfig(seed=seed, arithmetic='xla')
  assert old.name == f'seed_{seed}'
  new = Cifar10Linac.get_builder_config(f'seed_{seed}', Cifar10Linac.VERSION)
  assert new.linac == LinacConfig(seed=seed)


def test_a_version_that_is_not_there_is_named(tmp_path):
  with pytest.raises(AssertionError, match=r'cannot be loaded at version 1\.0'):
    tfds.builder(
      'cifar10_linac/seed_3+activation_tanh:1.0.2', data_dir=tmp_path
    )


@pytest.mark.parametrize('arithmetic', ARITHMETICS)
def test_the_description_makes_the_promise(arithmetic):
  config = LinacBuilderConfig(seed=3, arithmetic=arithmetic)
  assert f'{arithmetic} arithmetic' in config.description
  assert promise(config.linac) in config.description


def test_config_objects_say_what_they_are():
  assert TINY.source == 'sample'
  assert (TINY.linac.seed, TINY.linac.width) == (3, 8)
  assert 'float64' in TINY.description
