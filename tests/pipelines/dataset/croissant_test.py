"""The Croissant description, checked with MLCommons' own library."""

import datetime
import json

import mlcroissant as mlc
import pytest
import tensorflow_datasets as tfds

from linac_config import LinacConfig
from linac_config.reproducibility import promise
from linac_tfds import Cifar10Linac, LinacBuilderConfig
from pipelines.dataset.croissant import croissant


@pytest.fixture
def info(sample_dir):
  """The TFDS description of a published dataset with two splits."""
  config = LinacBuilderConfig(source='sample', seed=3, width=64)
  info = Cifar10Linac(config=config, data_dir=sample_dir).info
  info.set_file_format('tfrecord')
  info.set_splits(
    tfds.core.SplitDict(
      [
        tfds.core.SplitInfo(name=name, shard_lengths=lengths, num_bytes=1)
        for name, lengths in (('train', [50, 50]), ('test', [20]))
      ]
    )
  )
  return info


def test_it_is_valid_and_complete(info):
  text = croissant(info)
  dataset = mlc.Dataset(jsonld=json.loads(text))
  metadata = dataset.metadata
  assert not metadata.ctx.issues.report()  # Neither errors nor advice.
  assert metadata.name == 'cifar10_linac/sample_seed_3+width_64/2.0.0'
  assert metadata.date_published == datetime.datetime(2026, 11, 26)
  assert promise(LinacConfig()) in metadata.description
  assert 'CIFAR-10' in metadata.license[0]
  assert 'rusu2022hindering' in metadata.cite_as
  assert list(dataset.records('splits')) == [
    {'splits/name': 'train', 'splits/num_examples': 100},
    {'splits/name': 'test', 'splits/num_examples': 20},
  ]


def test_its_fields_are_the_features(info):
  record_sets = mlc.Dataset(
    jsonld=json.loads(croissant(info))
  ).metadata.record_sets
  fields = {
    field.name: field
    for r in record_sets
    if r.id == 'examples'
    for field in r.fields
  }
  assert set(fields) == set(info.features)
  representation = fields['representation']
  assert representation.array_shape_tuple == (32, 32, 64)
  assert representation.data_types == [mlc.DataType.FLOAT16]
  assert fields['image'].data_types == [mlc.DataType.IMAGE_OBJECT]
  assert all(field.description for field in fields.values())


def test_another_file_format_is_described(info):
  info.set_file_format('array_record', override=True)
  described = json.loads(croissant(info))
  includes = described['distribution'][0]['includes']
  assert includes == 'cifar10_linac-*.array_record-*'
