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


def in_batches(
  function: Callable[[np.ndarray], np.ndarray], inputs: np.ndarray, size: int
) -> np.ndarray:
  """Applies a function to batches that all have the same size.

  The last batch is padded with copies of its first row. Since the size never
  changes, JAX compiles the function once, and the result for a row does not
  depend on how many rows there are.

  Args:
    function: A function from a batch to an array with one row per input.
    inputs: The rows to apply the function to.
    size: The number of rows in each batch.

  Returns:
    The rows that the function returned, without those of the padding.
  """
  rows = []
  for i in range(0, len(inputs), size):
    batch = inputs[i : i + size]
    padding = np.repeat(batch[:1], size - len(batch), axis=0)
    rows.append(
      np.asarray(function(np.concatenate([batch, padding])))[: len(batch)]
    )
  return np.concatenate(rows)
