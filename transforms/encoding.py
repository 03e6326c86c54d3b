"""The inputs and targets of a fit: encoded coordinates and normalised pixels.

They are computed in float64 and rounded to float32 once, so that every machine
fits the same numbers in either precision.
"""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float32, Float64

from linac_config.config import LinacConfig

from . import exact


def pixel_grid(
  height: int, width: int
) -> Float64[np.ndarray, '{height*width} 2']:
  """Returns pixel centres: (x, y) in (-1, 1).

  Pixels come row by row; y is positive in the top row and decreases downwards.
  """
  x = np.linspace(-1, 1, width + 2)[1:-1]
  y = np.linspace(1, -1, height + 2)[1:-1]
  return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


def positional_encoding(
  coordinates: Float64[np.ndarray, 'n 2'], num_features: int
) -> Float32[np.ndarray, 'n features']:
  """Encodes coordinates as sines, then cosines, at octave frequencies.

  The sines and cosines are the exact ones of the float64 angles, rounded once.

  Args:
    coordinates: The (x, y) pairs.
    num_features: The number of frequencies `2**i * pi`.

  Returns:
    The encoded coordinates, `4 * num_features` of each pair.
  """
  # A grid has many pixels, but few different coordinates.
  values, places = np.unique(coordinates, return_inverse=True)
  angles = [2.0**i * np.pi * values for i in range(num_features)]
  places = places.reshape(coordinates.shape)
  return np.concatenate(
    [_each(exact.sine, a)[places] for a in angles]
    + [_each(exact.cosine, a)[places] for a in angles],
    axis=-1,
  )


def _each(
  function: Callable[[float, exact.Format], float],
  angles: Float64[np.ndarray, 'n'],
) -> Float32[np.ndarray, 'n']:
  numbers = [function(angle, exact.FLOAT32) for angle in angles.tolist()]
  return np.array(numbers, np.float32)


def normalise(
  images: np.ndarray, config: LinacConfig
) -> Float32[np.ndarray, 'n pixels channels']:
  """Normalises images to the pixel values that networks are fitted to.

  Normalisation is part of the transform's definition: uint8 images are scaled
  to [0, 1] and standardised with the config's `mean` and `std`. Float images
  must be normalised already and are only rounded to float32.

  Args:
    images: The images, `[n, height, width, channels]`.
    config: The transform.

  Returns:
    The pixels of each image, row by row.

  Raises:
    ValueError: if there are no pixels, if the images have another rank or
      dtype, if `mean` or `std` do not have one number per channel of uint8
      images, or if float images hold NaN, infinity or values beyond float32.
  """
  if images.ndim != 4:
    raise ValueError(
      'images must have shape [n, height, width, channels]; got '
      f'shape {images.shape}.'
    )
  if 0 in images.shape:
    raise ValueError(f'images of shape {images.shape} hold no pixels.')
  if images.dtype == np.uint8:
    mean, std = config.pixel_constants(images.shape[-1])
    pixels = (images / 255.0 - np.array(mean)) / np.array(std)
  elif images.dtype in (np.float32, np.float64):
    pixels = images
  else:
    raise ValueError(
      f'images have dtype {images.dtype}; pass uint8, or float32 or float64 '
      'that is normalised already.'
    )
  n, height, width, channels = images.shape
  with np.errstate(over='ignore'):  # An overflow to infinity is refused below.
    pixels = pixels.reshape(n, height * width, channels).astype(np.float32)
  bad = np.flatnonzero(~np.isfinite(pixels).all(axis=(1, 2)))
  if bad.size:
    raise ValueError(
      f'images {bad[:5].tolist()} hold NaN, infinity or values beyond float32.'
    )
  return pixels
