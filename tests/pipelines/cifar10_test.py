"""A build from CIFAR-10; it is skipped where CIFAR-10 is not prepared."""

import numpy as np
import tensorflow_datasets as tfds

from linac_tfds import Cifar10Linac
from pipelines.plan.settings import Settings
from pipelines.preparation.make_plan import make_plan
from transforms import LinacConfig, linac


def test_the_dataset_is_cifar10_under_the_transform(lab, shared_data):
  builder = Cifar10Linac(
    config='seed_-2314326399425823309_f64',
    data_dir=lab.data_dir,
    source_data_dir=shared_data / 'tfds',
  )
  settings = Settings(
    splits=('test',), max_examples_per_split=8, examples_per_shard=3
  )
  lab.run(make_plan(builder, settings))

  built, source = (
    list(
      tfds.as_numpy(
        tfds.load(
          name,
          split='test[:8]',
          data_dir=folder,
          read_config=tfds.ReadConfig(interleave_cycle_length=1),
        )
      )
    )
    for name, folder in (
      ('cifar10_linac/seed_-2314326399425823309_f64', lab.data_dir),
      ('cifar10', shared_data / 'tfds'),
    )
  )
  for ours, theirs in zip(built, source, strict=True):
    assert ours['id'] == theirs['id']
    assert ours['label'] == theirs['label']
    np.testing.assert_array_equal(ours['image'], theirs['image'])
  fit = linac(
    np.stack([e['image'] for e in source]), LinacConfig(precision='float64')
  )
  np.testing.assert_array_equal(
    [e['representation'] for e in built], fit.representation.astype(np.float16)
  )
