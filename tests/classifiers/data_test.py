"""Splits are read in their order, or in the random order of an epoch."""

import json

import numpy as np
import pytest
import tensorflow_datasets as tfds

import linac_tfds
from classifiers.data import find_split
from tests.classifiers.conftest import TINY


def test_epochs_are_orders_of_the_same_examples(tiny_dir):
  split = find_split(f'cifar10_linac/{TINY.name}', 'train', str(tiny_dir))
  labels = [
    np.concatenate(
      [b['label'] for b in split.shuffled_batches(('label',), 20, 0, epoch)]
    )
    for epoch in (0, 0, 1)
  ]
  np.testing.assert_array_equal(labels[0], labels[1])
  assert (labels[0] != labels[2]).any()
  np.testing.assert_array_equal(np.bincount(labels[2]), [10] * 10)


def test_more_examples_than_bytes_are_refused(tmp_path):
  builder = linac_tfds.Sample(data_dir=tmp_path)
  builder.download_and_prepare()
  assert find_split('sample', 'test', str(tmp_path)).count == 20
  path = builder.data_path / 'dataset_info.json'
  info = json.loads(path.read_text())
  info['splits'][0]['shardLengths'] = [str(2**33)]
  path.write_text(json.dumps(info))
  with pytest.raises(ValueError, match='claims 8,589,934,612 examples'):
    find_split('sample', 'test', str(tmp_path))


def test_a_dataset_without_labels_is_refused(tmp_path):
  tfds.testing.DummyDataset(data_dir=tmp_path).download_and_prepare()
  with pytest.raises(ValueError, match='dummy_dataset has no feature `image`'):
    find_split('dummy_dataset', 'train', str(tmp_path))


def test_the_order_of_a_split_is_the_datasets(tiny_dir):
  split = find_split(f'cifar10_linac/{TINY.name}', 'train', str(tiny_dir))
  source = tfds.builder('sample', data_dir=tiny_dir).as_data_source('train')
  labels = [label for _, label in split.examples('image')]
  assert labels == [example['label'] for example in source]
  batches = list(split.batches('representation', 30))
  assert [len(y) for _, y in batches] == [30, 30, 30, 10]
