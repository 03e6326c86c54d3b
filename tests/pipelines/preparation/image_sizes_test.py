"""Sources with features of other names, and with images of an open size."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from linac_tfds import Cifar10Linac, LinacBuilderConfig
from pipelines import verify
from pipelines.dataset.read_published import open_published
from pipelines.dataset.stored_examples import read_examples
from pipelines.errors import SourceError
from pipelines.plan.settings import Settings
from pipelines.preparation.make_plan import make_plan
from tests.pipelines.conftest import TINY, Lab


class Nested(tfds.core.GeneratorBasedBuilder):
  """Images in a nested feature, with two kinds of labels."""

  VERSION = tfds.core.Version('1.0.0')
  HEIGHTS = (16, 16, 16)

  def _info(self):
    return tfds.core.DatasetInfo(
      builder=self,
      features=tfds.features.FeaturesDict(
        {
          'inputs': {'image': tfds.features.Image(shape=(None, None, 3))},
          'coarse': tfds.features.ClassLabel(names=['a', 'b']),
          'fine': tfds.features.ClassLabel(num_classes=3),
        }
      ),
      disable_shuffling=True,
    )

  def _split_generators(self, dl_manager):
    return {'train': self._generate_examples()}

  def _generate_examples(self):
    random = np.random.default_rng(0)
    for key, height in enumerate(self.HEIGHTS):
      image = random.integers(0, 256, (height, 8, 3), np.uint8)
      yield key, {'inputs': {'image': image}, 'coarse': key % 2, 'fine': key}


def plan_of(data_dir, **settings):
  fields = TINY | {'source': 'nested', 'batch_size': 16}
  builder = Cifar10Linac(
    config=LinacBuilderConfig(**fields),
    data_dir=data_dir,
    image_feature='inputs/image',
    label_feature='fine',
  )
  return make_plan(builder, Settings(**settings))


def test_a_dataset_of_named_features_with_an_open_size(tmp_path, capsys):
  Nested(data_dir=tmp_path, file_format='tfrecord').download_and_prepare()
  plan = plan_of(tmp_path)
  assert plan.source.schema.shape == (16, 8, 3)
  Lab(tmp_path).run(plan)
  assert verify.main([str(plan.directory), '--examples=1']) == 0
  assert '  source   ok       3 examples' in capsys.readouterr().out
  published = open_published(plan.directory).plan
  (shard,) = published.shards()
  path = plan.directory / plan.file_name(shard)
  stored = list(read_examples(published, path))
  assert [example['label'] for example in stored] == [0, 1, 2]
  assert {example['image'].shape for example in stored} == {(16, 8, 3)}


def test_images_of_several_sizes_are_refused(tmp_path, monkeypatch):
  monkeypatch.setattr(Nested, 'HEIGHTS', (16, 16, 8))
  Nested(data_dir=tmp_path, file_format='tfrecord').download_and_prepare()
  with pytest.raises(SourceError, match=r'train\[2\] has \(8, 8\)'):
    plan_of(tmp_path)
  # Only the examples that are to be fitted need one size.
  few = plan_of(tmp_path, max_examples_per_split=2)
  assert few.source.schema.shape == (16, 8, 3)
