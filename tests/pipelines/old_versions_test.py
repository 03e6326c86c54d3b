"""Datasets of version 1.0.2, which tests/fixtures holds, stay readable."""

import json
import pathlib
import tarfile

import numpy as np
import pytest
import tensorflow_datasets as tfds

from linac_tfds import Cifar10Linac
from pipelines import report, status, verify
from pipelines.command_line import before_build
from pipelines.command_line.command import Command
from pipelines.dataset.read_published import open_published
from pipelines.dataset.state import Depth
from pipelines.plan.saved_plan import load_plan, save_plan
from pipelines.plan.settings import Settings
from pipelines.runners.find_runner import find_runner
from tests.conftest import REPOSITORY
from tests.pipelines.conftest import is_published

FIXTURE = REPOSITORY / 'tests' / 'fixtures' / 'datasets_1_0_2.tar.xz'
TRANSFORM = (
  '+num_layers_2+width_2+num_features_2+representation_layer_1+num_epochs_1'
  '+batch_size_128'
)
PUBLISHED = {
  'float32': f'sample_seed_3{TRANSFORM}',
  'float64': f'sample_seed_3_f64{TRANSFORM}',
  'private': 'secret',
  'skipped': f'sample_seed_4{TRANSFORM}',
}


@pytest.fixture
def old(sample_dir) -> pathlib.Path:
  """The folder of all configs, in the data folder of their source."""
  folder = sample_dir / 'cifar10_linac'
  with tarfile.open(FIXTURE) as archive:
    archive.extractall(folder, filter='data')
  (plan,) = folder.glob('*/staging.*/plan.json')
  text = plan.read_text().replace('/DATA_DIR', str(sample_dir))
  plan.write_text(text)
  return folder


@pytest.fixture
def key_file(tmp_path) -> str:
  path = tmp_path / 'key'
  path.write_text('1234567890123456789')
  return str(path)


@pytest.mark.parametrize('name', ['float32', 'private', 'skipped'])
def test_tfds_loads_them_under_their_version(old, name):
  dataset = tfds.load(
    f'cifar10_linac/{PUBLISHED[name]}:1.0.2', data_dir=old.parent, split='train'
  )
  examples = list(tfds.as_numpy(dataset))
  assert [e['id'] for e in examples] == [
    b'train_00000',
    b'train_00001',
    b'train_00002',
  ]
  assert examples[0]['representation'].shape == (32, 32, 2)
  assert examples[0]['representation'].dtype == np.float16


def test_array_records_are_read_at_random(old):
  builder = tfds.builder_from_directory(old / PUBLISHED['float64'] / '1.0.2')
  source = builder.as_data_source('test')
  assert source[2]['representation'].dtype == np.float32


@pytest.mark.parametrize('name', PUBLISHED)
def test_verify_finds_them_sound(old, name, key_file, capsys):
  directory = str(old / PUBLISHED[name] / '1.0.2')
  arguments = ['--examples=6']
  if name == 'private':
    arguments.append(f'--private_key_file={key_file}')
  assert verify.main([directory, *arguments]) == 0, capsys.readouterr()
  output = capsys.readouterr().out
  assert 'refit    ok' in output
  assert 'source   ok' in output


@pytest.mark.parametrize('name', PUBLISHED)
def test_a_flipped_bit_in_them_is_found(old, name, capsys):
  directory = old / PUBLISHED[name] / '1.0.2'
  path = max(directory.glob('*-00001-of-*'))
  data = bytearray(path.read_bytes())
  data[len(data) // 2] ^= 1
  path.write_bytes(data)
  assert verify.main([str(directory), '--quick']) == 1
  # This version's build cannot mend what another version wrote.
  assert 'pipelines.build' not in capsys.readouterr().out


def test_an_altered_manifest_of_theirs_is_found(old, capsys):
  path = next(old.glob('*seed_3+*/1.0.2/manifests/*train*-00001-*'))
  path.write_text(path.read_text().replace('"psnr": [', '"psnr": [1'))
  assert verify.main([str(path.parents[1]), '--quick']) == 1
  assert 'its checksum is not that' in capsys.readouterr().out
  assert status.main([str(path.parents[1])]) == 0  # It looks at names alone.


def test_status_tells_of_all_of_them(old, capsys):
  assert status.main([str(old)]) == 1
  lines = capsys.readouterr().out.splitlines()
  states = {line.partition(' ')[0]: line.partition(': ')[2] for line in lines}
  finished = 'finished, 6 of 6 images'
  assert states == {
    PUBLISHED['float32']: finished,
    PUBLISHED['float64']: finished,
    PUBLISHED['private']: finished,
    PUBLISHED['skipped']: f'{finished}, 1 bad',
    f'sample_seed_5{TRANSFORM}': 'stopped, 4 of 6 images',
  }


def test_an_unfinished_plan_has_its_own_fingerprint(old):
  (staging,) = old.glob('*/staging.*')
  plan = load_plan(str(staging))
  assert plan.staging == staging
  assert plan.settings.min_psnr == 11
  assert not is_published(plan, Depth.NAMES)


@pytest.mark.parametrize('strict', [False, True])
def test_a_plan_of_version_1_1_0_may_hold_strict_devices(
  lab, monkeypatch, capsys, strict
):
  monkeypatch.setattr(Cifar10Linac, 'VERSION', tfds.core.Version('1.1.0'))
  plan = lab.plan(arithmetic='xla', dataset_version='1.1.0')
  save_plan(plan)
  monkeypatch.setattr(Cifar10Linac, 'VERSION', tfds.core.Version('2.0.0'))
  path = plan.staging / 'plan.json'
  saved = json.loads(path.read_text())
  saved['settings']['strict_devices'] = strict
  path.write_text(json.dumps(saved))
  assert load_plan(str(plan.staging)) == plan
  assert status.main([str(plan.staging)]) == 1
  assert '1.1.0: stopped' in capsys.readouterr().out


@pytest.mark.parametrize('name', ['float32', 'private'])
def test_a_report_is_made_of_them(old, name, tmp_path, capsys):
  pytest.importorskip('jinja2')
  directory = str(old / PUBLISHED[name] / '1.0.2')
  arguments = [directory, '--examples=0', f'--output={tmp_path}']
  assert report.main(arguments) == 0, capsys.readouterr()
  assert '1.0.2' in (tmp_path / 'report.html').read_text()


@pytest.fixture
def tanh(lab, monkeypatch) -> pathlib.Path:
  """A dataset of version 1.1.0 whose name does not mention XLA's arithmetic.

  Its metadata do not mention it either. Afterwards the version is 2.0.0.
  """
  monkeypatch.setattr(Cifar10Linac, 'VERSION', tfds.core.Version('1.1.0'))
  plan = lab.plan(
    Settings(max_examples_per_split=2),
    activation='tanh',
    arithmetic='xla',
    dataset_version='1.1.0',
  )
  lab.run(plan)
  path = plan.directory / 'metadata.json'
  metadata = json.loads(path.read_text())
  del metadata['config']['arithmetic']
  path.write_text(json.dumps(metadata))
  monkeypatch.setattr(Cifar10Linac, 'VERSION', tfds.core.Version('2.0.0'))
  return plan.directory


def test_a_name_keeps_its_old_meaning_in_an_old_version(tanh, tmp_path, capsys):
  name = tanh.parent.name
  assert name.startswith('sample_seed_3_f64+')
  assert 'activation_tanh' in name
  assert 'arithmetic' not in name
  dataset = tfds.load(
    f'cifar10_linac/{name}:1.1.0', data_dir=tanh.parents[2], split='train'
  )
  assert len(dataset) == 2
  assert open_published(tanh).plan.config.arithmetic == 'xla'
  assert verify.main([str(tanh)]) == 0
  assert 'refit    ok       4 examples' in capsys.readouterr().out
  assert status.main([str(tanh)]) == 0
  assert f'cifar10_linac/{name} 1.1.0: finished' in capsys.readouterr().out


def test_a_build_is_never_continued_under_another_version(lab, tanh, capsys):
  fields = {'activation': 'tanh', 'arithmetic': 'xla'}
  plan = lab.plan(Settings(max_examples_per_split=2), **fields)
  assert plan.version == '2.0.0'
  assert '+arithmetic_xla' in plan.config_name
  assert not is_published(plan)
  old = open_published(tanh).plan
  assert old.fingerprint != plan.fingerprint
  assert old.staging != plan.staging
  before_build.announce([plan], Command(), find_runner(None))
  assert f"'cifar10_linac/{tanh.parent.name}:1.1.0'" in capsys.readouterr().out
