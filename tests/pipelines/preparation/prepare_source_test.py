"""Tests that builds which start at once share one source."""

import concurrent.futures
import shutil

import pytest
import tensorflow_datasets as tfds

import linac_tfds
from linac_tfds.sources import find_source
from pipelines.preparation.prepare_source import prepare_source


@pytest.fixture(autouse=True)
def no_other_folder(tmp_path, monkeypatch):
  """Makes TFDS's own folder one that holds no source."""
  monkeypatch.setattr(tfds.core.constants, 'DATA_DIR', str(tmp_path / 'none'))


def prepare(data_dir):
  builder = find_source('sample', None, str(data_dir))
  return prepare_source('sample', builder, 'image', 'label')


def test_several_builds_prepare_a_source_once(tmp_path, monkeypatch):
  prepared = []
  original = linac_tfds.Sample.download_and_prepare

  def download_and_prepare(self, **arguments):
    prepared.append(self)
    original(self, **arguments)

  monkeypatch.setattr(
    linac_tfds.Sample, 'download_and_prepare', download_and_prepare
  )
  with concurrent.futures.ThreadPoolExecutor(3) as pool:
    found = list(pool.map(prepare, 3 * [tmp_path]))
  assert found == 3 * [found[0]]
  assert found[0][1] == {'train': 100, 'test': 20}
  assert len(prepared) == 1


def test_a_source_that_another_program_has_prepared_is_taken(
  tmp_path, sample_dir, monkeypatch
):
  def download_and_prepare(self, **_):
    shutil.copytree(sample_dir, tmp_path, dirs_exist_ok=True)
    raise OSError('Cannot rename: it already exists')

  monkeypatch.setattr(
    linac_tfds.Sample, 'download_and_prepare', download_and_prepare
  )
  assert prepare(tmp_path)[1] == {'train': 100, 'test': 20}
