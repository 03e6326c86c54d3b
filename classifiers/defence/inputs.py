"""Functions that check, normalise and batch the inputs of networks."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, UInt8

from linac_config.config import CIFAR10_MEAN, CIFAR10_STD, LinacConfig
from transforms import encoding


def check_uint8(images: np.ndarray) -> None:
  """Checks that an array is a batch of uint8 images.

  Raises:
    ValueError: If it has another dtype or rank, or has no images.
  """
  if images.dtype != np.uint8 or images.ndim != 4 or not len(images):
    raise ValueError(
      f'images are {images.dtype} of shape {images.shape}; pass uint8 of shape '
      '[n, height, width, channels].'
    )


def normalised(
  images: UInt8[np.ndarray, 'n height width channels'],
) -> Float[np.ndarray, 'n height width channels']:
  """Returns images as an undefended network sees them.

  They are scaled to [0, 1] and then standardised with the mean and the standard
  deviation of CIFAR-10's channels.
  """
  return encoding.normalise(images, LinacConfig()).reshape(images.shape)


def standardised(
  x: Float[Array, 'n height width channels'],
) -> Float[Array, 'n height width channels']:
  """Returns images in [0, 1] as an undefended network sees them.

  The result equals that of `normalised`, but JAX can differentiate it.
  """
  mean, std = (
    jnp.array(constants, x.dtype)[None, None, None]
    for constants in (CIFAR10_MEAN, CIFAR10_STD)
  )
  return (x - mean) / std


def logits_in_batches(
  function: Callable[[np.ndarray], np.ndarray], inputs: np.ndarray, size: int
) -> np.ndarray:
  """Computes logits in batches that all have the same size.

  The last batch is padded with copies of its first row. Since the size never
  changes, JAX compiles the function once, and the result for a row does not
  depend on how many rows there are.

  Args:
    function: A function from a batch to its logits, with one row per input.
    inputs: The inputs, one per row.
    size: The number of inputs in each batch.

  Returns:
    The logits of the inputs, without those of the padding.

  Raises:
    ValueError: If a logit is not finite.
  """
  rows = []
  for i in range(0, len(inputs), size):
    batch = inputs[i : i + size]
    padding = np.repeat(batch[:1], size - len(batch), axis=0)
    rows.append(
      np.asarray(function(np.concatenate([batch, padding])))[: len(batch)]
    )
  logits = np.concatenate(rows)
  if not np.isfinite(logits).all():
    # The largest of them would say nothing about the class.
    raise ValueError(
      'The classifier has logits that are not finite for some images. Its '
      'weights are too large; train it again with a smaller --learning_rate.'
    )
  return logits
