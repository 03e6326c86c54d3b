"""The features of the dataset, and those that its source must have."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

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
    shape: The (height, width, channels) of every image. Before a build has
      looked at the images, the height and the width may be None.
    class_names: The names of the classes, in the order of the labels.
    has_id: Whether the source has a text feature `id`.
  """

  shape: tuple[int, int, int]
  class_names: tuple[str, ...]
  has_id: bool


def image_schema(
  builder: tfds.core.DatasetBuilder,
  image_feature: str = 'image',
  label_feature: str = 'label',
) -> ImageSchema:
  """Returns the schema of a source.

  Args:
    builder: The TFDS builder of the source.
    image_feature: The name of the feature with the images. The name of a nested
      one is a path, such as `inputs/image`.
    label_feature: The name of the feature with the classes.

  Raises:
    ValueError: if the source has no such uint8 image feature or no such class
      feature. The message names the feature and says what to do.
  """
  name = builder.info.full_name
  image = _feature(builder, 'image', image_feature, tfds.features.Image)
  label = _feature(builder, 'label', label_feature, tfds.features.ClassLabel)
  if image.np_dtype != np.uint8 or 0 in image.shape or not image.shape[-1]:
    raise ValueError(
      f'Images of the source {name} are {image.np_dtype} of shape '
      f'{image.shape}; LINAC needs uint8 images of one size.'
    )
  if not 1 <= (label.num_classes or 0) <= _MAX_CLASSES:
    raise ValueError(
      f'The source {name} claims to have {label.num_classes} classes; 1 to '
      f'{_MAX_CLASSES} are possible.'
    )
  # TFDS accepts a damaged file of names, and only logs an error.
  if len(set(label.names)) != label.num_classes:
    raise ValueError(
      f'The source {name} has {label.num_classes} classes, but names '
      f'{len(set(label.names))} different ones. Prepare the source anew.'
    )
  features = dict(builder.info.features)
  return ImageSchema(
    shape=tuple(image.shape),
    class_names=tuple(label.names),
    has_id=isinstance(features.get('id'), tfds.features.Text),
  )


def _feature(
  builder: tfds.core.DatasetBuilder, option: str, name: str, kind: type
) -> tfds.features.FeatureConnector:
  """Finds a feature of a source.

  Args:
    builder: The TFDS builder of the source.
    option: The first part of the option that names the feature.
    name: The name of the feature.
    kind: The class that the feature must have.

  Raises:
    ValueError: if there is none. The message names those that there are.
  """
  features = dict(_flattened(builder.info.features))
  found, source = features.get(name), builder.info.full_name
  if isinstance(found, kind):
    return found
  if found is not None:
    raise ValueError(
      f'The feature `{name}` of the source {source} is of the class '
      f'{type(found).__name__} and not {kind.__name__}. Prepare the source '
      f'with tfds.features.{kind.__name__}, or choose another one.'
    )
  others = [path for path, f in features.items() if isinstance(f, kind)]
  advice = (
    f'pass --{option}_feature={" or ".join(others)}.'
    if others
    else 'choose a dataset with one image and one class per example.'
  )
  raise ValueError(
    f'The source {source} has no {kind.__name__} feature `{name}`; {advice}'
  )


def _flattened(
  features: tfds.features.FeaturesDict, prefix: str = ''
) -> Iterator[tuple[str, tfds.features.FeatureConnector]]:
  """Yields the path of each feature, also of nested ones, with the feature."""
  for name, feature in features.items():
    if isinstance(feature, tfds.features.FeaturesDict):
      yield from _flattened(feature, f'{prefix}{name}/')
    else:
      yield prefix + name, feature


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
