"""What an example holds, and what a dataset to fit must offer."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow_datasets as tfds

from linac_config import KeylessConfig

STORAGE_DTYPES = ('float16', 'float32')
# The numbers that a fit gives of each example, and what they are. They are
# float32 features; `transforms.LinacFit` has each as an array, and manifests
# list them.
MEASURES = {
  'psnr': 'PSNR of the reconstruction over the whole grid, in dB.',
  'final_loss': 'The loss of the last optimisation step.',
}


@dataclasses.dataclass(frozen=True)
class ImageSchema:
  """The part of a source that shapes the dataset.

  Attributes:
    shape: (height, width, channels) of every image.
    class_names: of the labels, in their order.
    has_id: whether the source has a text feature `id`.
  """

  shape: tuple[int, int, int]
  class_names: tuple[str, ...]
  has_id: bool


def image_schema(builder: tfds.core.DatasetBuilder) -> ImageSchema:
  """Reads the schema off a source.

  Raises:
    ValueError: naming what the source lacks, unless it has a fixed-size uint8
      `image` and a class `label`.
  """
  name = builder.info.full_name
  features = dict(builder.info.features)
  image, label = features.get('image'), features.get('label')
  if not isinstance(image, tfds.features.Image):
    raise ValueError(f'The source {name} has no feature `image`.')
  if not isinstance(label, tfds.features.ClassLabel):
    raise ValueError(f'The source {name} has no class feature `label`.')
  if image.np_dtype != np.uint8 or not all(image.shape):
    raise ValueError(
      f'Images of the source {name} are {image.np_dtype} of shape '
      f'{image.shape}; LINAC needs uint8 images of one size.'
    )
  return ImageSchema(
    shape=tuple(image.shape),
    class_names=tuple(label.names),
    has_id=isinstance(features.get('id'), tfds.features.Text),
  )


def example_features(
  source: ImageSchema, config: KeylessConfig, storage_dtype: str = 'float16'
) -> tfds.features.FeaturesDict:
  """The features of an example of the dataset."""
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
