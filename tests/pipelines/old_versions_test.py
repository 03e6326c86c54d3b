"""Datasets of version 1.0.2, which tests/fixtures holds, stay readable."""

import pathlib
import tarfile

import numpy as np
import pytest
import tensorflow_datasets as tfds

from pipelines import report, status, verify
from pipelines.dataset.state import Depth
from pipelines.plan.saved_plan import load_plan
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


@pytest.mark.parametrize('name', ['float32', 'private'])
def test_a_report_is_made_of_them(old, name, tmp_path, capsys):
  pytest.importorskip('jinja2')
  directory = str(old / PUBLISHED[name] / '1.0.2')
  arguments = [directory, '--examples=0', f'--output={tmp_path}']
  assert report.main(arguments) == 0, capsys.readouterr()
  assert '1.0.2' in (tmp_path / 'report.html').read_text()
