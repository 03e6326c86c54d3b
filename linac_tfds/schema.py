"""The features of the dataset, and those that its source must have."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow_datasets as tfds

from linac_config import KeylessConfig

# The dtypes in which representations can be stored.
STORAGE_DTYPES = ('float16', 'float32')
# The numbers that measure the fit of an example, with their descriptions. Each
# is a float32 feature of the dataset, an attribute of `transforms.LinacFit` and
# a list in the manifest of a shard.
MEASURES = {
  'psnr': 'PSNR of the reconstruction over the whole grid, in dB.',
  'final_loss': 'The loss of the last optimisation step.',
}
# More classes are no classes but damage. TFDS would make a name for each one.
_MAX_CLASSES = 2**20


@dataclasses.dataclass(frozen=True)
class ImageSchema:
  """The properties of a source that decide the features of the dataset.

  Attributes:
    shape: The (height, width, channels) of every image.
    class_names: The names of the classes, in the order of the labels.
    has_id: Whether the source has a text feature `id`.
  """

  shape: tuple[int, int, int]
  class_names: tuple[str, ...]
  has_id: bool


def image_schema(builder: tfds.core.DatasetBuilder) -> ImageSchema:
  """Returns the schema of a source.

  Raises:
    ValueError: if the source has no uint8 feature `image` of a fixed size, or
      no class feature `label`. The message names the feature.
  """
  name = builder.info.full_name
  features = dict(builder.info.features)
  image, label = features.get('image'), features.get('label')
  if not isinstance(image, tfds.features.Image):
    raise ValueError(
      f'The source {name} has no feature `image`; choose a dataset of images.'
    )
  if not isinstance(label, tfds.features.ClassLabel):
    raise ValueError(
      f'The source {name} has no class feature `label`; choose a dataset with '
      'one class per image.'
    )
  if image.np_dtype != np.uint8 or not all(image.shape):
    raise ValueError(
      f'Images of the source {name} are {image.np_dtype} of shape '
      f'{image.shape}; LINAC needs uint8 images of one size.'
    )
  if not 1 <= label.num_classes <= _MAX_CLASSES:
    raise ValueError(
      f'The source {name} claims to have {label.num_classes:,} classes; 1 to '
      f'{_MAX_CLASSES:,} are possible.'
    )
  return ImageSchema(
    shape=tuple(image.shape),
    class_names=tuple(label.names),
    has_id=isinstance(features.get('id'), tfds.features.Text),
  )


def example_features(
  source: ImageSchema, config: KeylessConfig, storage_dtype: str = 'float16'
) -> tfds.features.FeaturesDict:
  """Returns the features of the dataset.

  Args:
    source: The schema of the source.
    config: The transform.
    storage_dtype: The dtype of stored representations.
  """
  height, width, channels = source.shape
  return tfds.features.FeaturesDict(
    {
      'id': tfds.features.Text(doc='The id of the image in its source.'),
      'image': tfds.features.Image(
        shape=source.shape, encoding_format='png', doc='The image fitted.'
      ),
      'label': tfds.features.ClassLabel(
        names=source.class_names, doc='The class of the image in its source.'
      ),
      'representation': tfds.features.Tensor(
        shape=(height, width, config.representation_channels(channels)),
        dtype=np.dtype(storage_dtype),
        encoding=tfds.features.Encoding.BYTES,
        doc='Activations of the representation layer on the pixel grid.',
      ),
      **{
        name: tfds.features.Scalar(np.float32, doc=doc)
        for name, doc in MEASURES.items()
      },
    }
  )
