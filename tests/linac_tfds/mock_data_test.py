"""Tests of `tfds.testing.mock_data`, with which users test their programs."""

import pathlib

import numpy as np
import pytest
import tensorflow_datasets as tfds

import linac_tfds
from linac_tfds import build_process


def package_files():
  """The files beside the metadata that TFDS looks for while it is mocked."""
  folder = pathlib.Path(tfds.testing.__file__).parent
  return {p for p in folder.rglob('*') if '__pycache__' not in p.parts}


def _start(options, unset):
  raise RuntimeError(f'a build started: {options}')


@pytest.fixture(autouse=True)
def no_build(monkeypatch):
  """Fails if a build starts, and if a file is left behind."""
  before = package_files()
  monkeypatch.setattr(build_process, 'build', _start)
  yield
  assert package_files() == before


@pytest.mark.parametrize(
  'name',
  ['cifar10_linac', 'cifar10_linac/seed_42', 'cifar10_linac/mnist_seed_7'],
)
@pytest.mark.parametrize('policy', ['AUTO', 'USE_CODE'])
def test_examples_are_fake(tmp_path, name, policy):
  with tfds.testing.mock_data(
    num_examples=3, policy=tfds.testing.MockPolicy[policy]
  ):
    dataset = tfds.load(
      name, split='train', data_dir=tmp_path, shuffle_files=True
    )
    examples = list(tfds.as_numpy(dataset))
  side = 28 if 'mnist' in name else 32
  assert len(examples) == 3
  assert examples[0]['representation'].shape == (side, side, 256)
  assert examples[0]['representation'].dtype == np.float16
  assert not list(tmp_path.iterdir())


def test_a_data_source_is_fake():
  with tfds.testing.mock_data(num_examples=3):
    source = tfds.data_source('cifar10_linac/seed_42', split='train')
    assert len(source) == 3
    assert source[2]['representation'].shape == (32, 32, 256)


def test_a_build_starts_again_after_the_mock(tmp_path):
  with tfds.testing.mock_data():
    pass
  builder = linac_tfds.Cifar10Linac(source='sample', seed=3, data_dir=tmp_path)
  with pytest.raises(RuntimeError, match='a build started'):
    builder.download_and_prepare()
