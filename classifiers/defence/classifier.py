"""Classifiers of uint8 images: the defended one and the undefended one."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, UInt8

from classifiers.defence.inputs import (
  check_uint8,
  logits_in_batches,
  normalised,
)
from classifiers.network.model import Model
from linac_config import config_names
from linac_config.config import LinacConfig
from transforms import linac
from transforms.transform import default_images_per_batch


class DefendedClassifier:
  """The LINAC transform followed by a network, as in the published notebook.

  The network's input is the transform's activations, without any further
  processing. Batches have one fixed size, and the last one is padded, so the
  logits of an image do not depend on the other images.

  Example:

    classifier = DefendedClassifier(load_model('wrn70-16.safetensors'))
    logits = classifier(images)

  Attributes:
    model: The network.
    config: The transform.
    batch_size: The number of images that are processed together.
  """

  def __init__(
    self,
    model: Model,
    config: LinacConfig | None = None,
    batch_size: int = 128,
  ):
    """Composes a transform and a network.

    Args:
      model: A classifier of representations.
      config: The transform. It must be given if the model was trained under a
        private key. By default, it is the one that the model's `config_name`
        describes.
      batch_size: The number of images that are transformed and classified
        together. It affects speed and memory only.

    Raises:
      ValueError: If the model is a classifier of images, or if its
        `config_name` describes no transform and there is no `config`.
    """
    _check_inputs(model, 'representation')
    self.model = model
    self.config = config or transform_of(model)
    self.batch_size = batch_size

  def representations(
    self, images: UInt8[np.ndarray, 'n height width channels']
  ) -> Float[np.ndarray, 'n height width units']:
    """Fits every image and returns the activations.

    Raises:
      ValueError: If the activations have other channels than the model takes.
    """
    units = self.config.representation_channels(images.shape[-1])
    _check_channels(self.model, units)
    per_batch = default_images_per_batch(self.config, images.shape[1:])
    return linac(
      images, self.config, images_per_batch=min(per_batch, self.batch_size)
    ).representation.astype(np.float32)

  def __call__(
    self, images: UInt8[np.ndarray, 'n height width channels']
  ) -> Float[np.ndarray, 'n classes']:
    """Fits every image and returns the logits of the activations.

    Raises:
      ValueError: If the images are not uint8, if the transform's settings do
        not suit their shape or the model, or if a logit is not finite.
    """
    check_uint8(images)
    size = self.batch_size
    # The padding follows the transform, because a fit of padding is expensive.
    return np.concatenate(
      [
        logits_in_batches(
          self.model.logits, self.representations(images[i : i + size]), size
        )
        for i in range(0, len(images), size)
      ]
    )


class UndefendedClassifier:
  """A network on normalised images, with which the defence is compared.

  Attributes:
    model: The network.
    batch_size: The number of images that are processed together.
  """

  def __init__(self, model: Model, batch_size: int = 128):
    """Makes a classifier of a network.

    Args:
      model: A classifier of images.
      batch_size: The number of images that are classified together. It affects
        speed and memory only.

    Raises:
      ValueError: If the model is a classifier of representations.
    """
    _check_inputs(model, 'image')
    self.model = model
    self.batch_size = batch_size

  def __call__(
    self, images: UInt8[np.ndarray, 'n height width channels']
  ) -> Float[np.ndarray, 'n classes']:
    """Normalises every image and returns the logits.

    Raises:
      ValueError: If the images are not uint8 or have other channels than the
        model takes, or if a logit is not finite.
    """
    check_uint8(images)
    _check_channels(self.model, images.shape[-1])
    return logits_in_batches(
      lambda batch: self.model.logits(normalised(batch)),
      images,
      self.batch_size,
    )


def classifier_of(
  model: Model, config: LinacConfig | None = None, batch_size: int = 128
) -> DefendedClassifier | UndefendedClassifier:
  """Returns the classifier of uint8 images that a model belongs to.

  Args:
    model: A classifier of representations or of images.
    config: The transform; see `DefendedClassifier`.
    batch_size: The number of images that are processed together.
  """
  if model.spec.inputs == 'image':
    return UndefendedClassifier(model, batch_size)
  return DefendedClassifier(model, config, batch_size)


def transform_of(model: Model) -> LinacConfig:
  """Returns the transform that a model's `config_name` describes.

  Raises:
    ValueError: If the name belongs to a private key, and so describes nothing.
  """
  name, version = model.spec.config_name, model.spec.dataset_version
  try:
    return config_names.parse_config_name(name, version)[1]
  except ValueError as error:
    raise ValueError(
      f'The model was trained on the config {name!r}, whose name does not say '
      'its transform. Pass config=LinacConfig(...) if its key is private.'
    ) from error


def _check_channels(model: Model, channels: int) -> None:
  if model.spec.in_channels != channels:
    raise ValueError(
      f'The model takes {model.spec.inputs}s of {model.spec.in_channels} '
      f'channels, not {channels}; pass another model, transform or dataset.'
    )


def _check_inputs(model: Model, inputs: str) -> None:
  if model.spec.inputs != inputs:
    raise ValueError(
      f'The model was trained on inputs={model.spec.inputs!r}, not {inputs!r}; '
      'pass another model.'
    )
