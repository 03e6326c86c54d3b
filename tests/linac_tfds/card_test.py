"""Tests of the card, the catalogue page and two views of TFDS of a dataset."""

import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
import tensorflow_datasets as tfds
from tensorflow_datasets.core import dataset_metadata

from linac_tfds import Cifar10Linac, LinacBuilderConfig, Sample
from tests.conftest import REPOSITORY

TINY = LinacBuilderConfig(
  source='sample',
  seed=3,
  num_layers=2,
  width=16,
  num_features=2,
  representation_layer=1,
  num_epochs=1,
  batch_size=128,
)


@pytest.fixture(scope='module')
def builder(tmp_path_factory):
  data_dir = tmp_path_factory.mktemp('card')
  builder = Cifar10Linac(config=TINY, data_dir=data_dir)
  builder.download_and_prepare(
    download_config=tfds.download.DownloadConfig(max_examples_per_split=9)
  )
  return builder


@pytest.fixture
def examples(builder):
  # Examples are read in the source's order, in which the classes take turns.
  return builder.as_dataset(split='train')


@pytest.mark.parametrize('dataset', [Cifar10Linac, Sample])
def test_the_card_is_what_tfds_expects(dataset):
  metadata = dataset.get_metadata()
  assert metadata.description.strip()
  assert metadata.tags
  assert set(metadata.tags) <= set(dataset_metadata.valid_tags())


def test_the_card_cites_the_paper_and_the_images():
  citation = Cifar10Linac.get_metadata().citation
  assert citation.count('@') == 2
  assert 'rusu22a.html' in citation
  assert 'Tiny Images' in citation


def test_the_catalogue_page(builder, tmp_path):
  subprocess.run(
    [
      *(sys.executable, 'examples/catalogue.py'),
      *(str(builder.data_path), str(tmp_path)),
    ],
    check=True,
    capture_output=True,
    cwd=REPOSITORY,
  )
  page = (tmp_path / 'cifar10_linac.md').read_text()
  for part in (
    *('*apparent* robustness', 'names no licence', 'What the key is worth'),
    "`'train'` | 9\n",
    'representation | Tensor | (32, 32, 16) | float16 | Activations',
    'label | ClassLabel |  | int64 | The class of the image in its source.',
    "('representation', 'label')",
    f'src="cifar10_linac-{TINY.name}-2.0.0.png"',
  ):
    assert part in page
  table = next(tmp_path.glob('*.html')).read_text()
  # The table shows the shapes of arrays, and images as pictures.
  assert table.count('ndarray(shape=(32, 32, 16), dtype=float16)') == 9
  assert table.count('data:image/png') == 9


def test_a_data_frame_holds_the_examples(builder, examples):
  frame = tfds.as_dataframe(examples.take(2), builder.info)
  assert list(frame['id']) == [b'train_00000', b'train_00001']
  first = next(iter(tfds.as_numpy(examples)))
  np.testing.assert_array_equal(
    frame['representation'][0], first['representation']
  )


def test_a_figure_shows_the_images(builder, examples):
  plt.switch_backend('agg')  # This backend draws to files and opens no windows.
  figure = tfds.show_examples(examples, builder.info, rows=1, cols=2)
  assert [axes.get_xlabel() for axes in figure.axes] == ['disc (0)', 'ring (1)']
  first = next(iter(tfds.as_numpy(examples)))
  (shown,) = figure.axes[0].images
  np.testing.assert_array_equal(shown.get_array(), first['image'])
