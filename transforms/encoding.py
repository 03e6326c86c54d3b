"""What the fit is given for pixels: encoded coordinates and normalised values.

Computed in float64 and rounded to float32 once, so that every machine fits the
same numbers in either precision.
"""

import numpy as np
from jaxtyping import Float32

from linac_config.config import LinacConfig


def pixel_grid(height: int, width: int) -> np.ndarray:
  """Pixel centres as `[height * width, 2]` (x, y) in (-1, 1); y runs down."""
  x = np.linspace(-1, 1, width + 2)[1:-1]
  y = np.linspace(1, -1, height + 2)[1:-1]
  return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


def positional_encoding(
  coordinates: np.ndarray, num_features: int
) -> np.ndarray:
  """Sines, then cosines, of the coordinates at octave frequencies.

  Args:
    coordinates: `[n, 2]`.
    num_features: number of frequencies `2**i * pi`.

  Returns:
    `[n, 4 * num_features]`.
  """
  angles = [2.0**i * np.pi * coordinates for i in range(num_features)]
  return np.concatenate(
    [np.sin(a) for a in angles] + [np.cos(a) for a in angles], axis=-1
  )


def normalise(
  images: np.ndarray, config: LinacConfig
) -> Float32[np.ndarray, 'n pixels channels']:
  """Normalised pixel values of `images` `[n, height, width, channels]`.

  uint8 images are scaled to [0, 1] and standardised with the config's `mean`
  and `std` (part of the transform's definition); float images are taken as
  standardised already.

  Raises:
    ValueError: on an empty batch, another rank or dtype, missing or surplus
      constants for uint8 images, NaN or infinity in float images.
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
  with np.errstate(over='ignore'):  # Infinity is refused below.
    pixels = pixels.reshape(n, height * width, channels).astype(np.float32)
  bad = np.flatnonzero(~np.isfinite(pixels).all(axis=(1, 2)))
  if bad.size:
    raise ValueError(
      f'images {bad[:5].tolist()} hold NaN, infinity or values beyond float32.'
    )
  return pixels
