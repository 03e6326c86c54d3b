"""A source that does not fit is refused with the remedy."""

import numpy as np
import pytest
import tensorflow_datasets as tfds

from linac_tfds.schema import image_schema

IMAGE = tfds.features.Image(shape=(8, 8, 3))
LABEL = tfds.features.ClassLabel(names=['a', 'b'])


class Source(tfds.core.GeneratorBasedBuilder):
  """A source with any features, which is never prepared."""

  VERSION = tfds.core.Version('1.0.0')
  FEATURES = {}  # noqa: RUF012

  def _info(self):
    return tfds.core.DatasetInfo(
      builder=self, features=tfds.features.FeaturesDict(self.FEATURES)
    )

  def _split_generators(self, dl_manager):
    raise NotImplementedError

  def _generate_examples(self):
    raise NotImplementedError


@pytest.fixture
def source(tmp_path, monkeypatch):
  """A function that returns the builder of a source with some features."""

  def make(**features):
    monkeypatch.setattr(Source, 'FEATURES', features)
    return Source(data_dir=tmp_path)

  return make


@pytest.mark.parametrize(
  ('features', 'message'),
  [
    (
      {'image': tfds.features.Tensor(shape=(8, 8, 3), dtype=np.uint8)},
      'is of the class Tensor and not Image.* with tfds.features.Image',
    ),
    (
      {'inputs': {'image': IMAGE}},
      'no Image feature `image`; pass --image_feature=inputs/image',
    ),
    (
      {'left': IMAGE, 'right': IMAGE},
      'pass --image_feature=left or right',
    ),
    ({}, 'no Image feature `image`; choose a dataset'),
    (
      {'image': IMAGE, 'fine_label': LABEL},
      'no ClassLabel feature `label`; pass --label_feature=fine_label',
    ),
    (
      {'image': IMAGE, 'label': tfds.features.Scalar(np.int64)},
      'is of the class Scalar and not ClassLabel',
    ),
    ({'image': IMAGE}, 'no ClassLabel feature `label`; choose a dataset'),
    (
      {'image': IMAGE, 'label': tfds.features.ClassLabel(num_classes=2**33)},
      'claims to have 8589934592 classes',
    ),
    (
      {
        'image': tfds.features.Image(shape=(8, 8, 3), dtype=np.uint16),
        'label': LABEL,
      },
      'uint16.* of shape',
    ),
  ],
)
def test_the_remedy_is_named(source, features, message):
  with pytest.raises(ValueError, match=message):
    image_schema(source(**{'id': tfds.features.Text()} | features))


def test_features_may_have_other_names_and_no_size(source):
  builder = source(
    inputs={'image': tfds.features.Image(shape=(None, None, 1))}, fine=LABEL
  )
  found = image_schema(builder, 'inputs/image', 'fine')
  assert found.shape == (None, None, 1)
  assert found.class_names == ('a', 'b')
