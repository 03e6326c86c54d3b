"""From uint8 images to logits: the whole defence, and its undefended twin."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8

from classifiers.network.model import Model
from linac_config import config_names
from linac_config.config import LinacConfig
from transforms import encoding, linac
from transforms.transform import default_images_per_batch


class DefendedClassifier:
  """Transform and network composed as in the published notebook.

    classifier = DefendedClassifier(load_model('wrn70-16.safetensors'))
    logits = classifier(images)

  There is nothing between them: the network sees activations as they are.
  Batches have one fixed size, the last one padded, so an image's logits do not
  depend on the images beside it.
  """

  def __init__(
    self,
    model: Model,
    config: LinacConfig | None = None,
    batch_size: int = 128,
  ):
    """Composes them.

    Args:
      model: a classifier of representations.
      config: the transform, for a model under a private key. Default: what the
        model's `config_name` says.
      batch_size: images that are transformed and classified together; a matter
        of speed and memory.

    Raises:
      ValueError: for a model of images, or without a config.
    """
    _check_inputs(model, 'representation')
    self.model = model
    self.config = config or transform_of(model)
    self.batch_size = batch_size

  def representations(
    self, images: UInt8[np.ndarray, 'n height width channels']
  ) -> Float[np.ndarray, 'n height width units']:
    """The transform alone."""
    per_batch = default_images_per_batch(self.config, images.shape[1:])
    return linac(
      images, self.config, images_per_batch=min(per_batch, self.batch_size)
    ).representation.astype(np.float32)

  def __call__(
    self, images: UInt8[np.ndarray, 'n height width channels']
  ) -> Float[np.ndarray, 'n classes']:
    """Fits every image and classifies the activations.

    Raises:
      ValueError: for images that are not uint8, or do not fit the transform.
    """
    _check_uint8(images)
    # The transform is the cost, so it is not done for padding.
    size = self.batch_size
    return np.concatenate(
      [
        in_batches(
          self.model.logits, self.representations(images[i : i + size]), size
        )
        for i in range(0, len(images), size)
      ]
    )


class UndefendedClassifier:
  """A network on normalised images: what the defence is compared with."""

  def __init__(self, model: Model, batch_size: int = 128):
    """Takes a classifier of images.

    Raises:
      ValueError: for a model of representations.
    """
    _check_inputs(model, 'image')
    self.model = model
    self.batch_size = batch_size

  def __call__(
    self, images: UInt8[np.ndarray, 'n height width channels']
  ) -> Float[np.ndarray, 'n classes']:
    """Normalises and classifies.

    Raises:
      ValueError: for images that are not uint8.
    """
    _check_uint8(images)
    return in_batches(
      lambda batch: self.model.logits(normalised(batch)),
      images,
      self.batch_size,
    )


def classifier_of(
  model: Model, config: LinacConfig | None = None
) -> DefendedClassifier | UndefendedClassifier:
  """The classifier of uint8 images that a model is a part of."""
  if model.spec.inputs == 'image':
    return UndefendedClassifier(model)
  return DefendedClassifier(model, config)


def transform_of(model: Model) -> LinacConfig:
  """The transform that a model's `config_name` stands for.

  Raises:
    ValueError: for the name of a private key's config, which does not tell.
  """
  name = model.spec.config_name
  try:
    return config_names.parse_config_name(name)[1]
  except ValueError as error:
    raise ValueError(
      f'The model was trained on the config {name!r}, whose name does not say '
      'its transform. Pass config=LinacConfig(...) if its key is private.'
    ) from error


def normalised(
  images: UInt8[np.ndarray, 'n height width channels'],
) -> Float[np.ndarray, 'n height width channels']:
  """Images as an undefended classifier sees them."""
  return encoding.normalise(images, LinacConfig()).reshape(images.shape)


def in_batches(function, inputs: np.ndarray, size: int) -> np.ndarray:
  """Rows of `function(batch)`, called with batches of one size, padded."""
  rows = []
  for i in range(0, len(inputs), size):
    batch = inputs[i : i + size]
    padding = np.repeat(batch[:1], size - len(batch), axis=0)
    rows.append(
      np.asarray(function(np.concatenate([batch, padding])))[: len(batch)]
    )
  return np.concatenate(rows)


def _check_inputs(model: Model, inputs: str) -> None:
  if model.spec.inputs != inputs:
    raise ValueError(
      f'The model was trained on inputs={model.spec.inputs!r}, not {inputs!r}.'
    )


def _check_uint8(images: np.ndarray) -> None:
  if images.dtype != np.uint8 or images.ndim != 4 or not len(images):
    raise ValueError(
      f'images are {images.dtype} of shape {images.shape}; pass uint8 of shape '
      '[n, height, width, channels].'
    )
