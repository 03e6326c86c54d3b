"""The peak signal-to-noise ratio of reconstructions, to the last bit.

It is stored with each example, so its bits must not depend on the machine: the
order of the sum is fixed, and the logarithm is correctly rounded.
"""

import numpy as np
from jaxtyping import Float, Float32, Float64

from linac_config.config import LinacConfig

from . import exact


def in_decibels(
  pixels: Float32[np.ndarray, 'n pixels channels'],
  outputs: Float[np.ndarray, 'n pixels channels'],
  config: LinacConfig,
) -> Float64[np.ndarray, 'n']:
  """Returns the PSNR of each image in dB, for images scaled to [0, 1].

  The squared errors of an image are summed one after the other: pixel by pixel,
  and of each pixel channel by channel.

  Args:
    pixels: The normalised pixels that the networks were fitted to.
    outputs: The reconstructions, in the dtype of the config's precision.
    config: The transform. If its `std` does not have one number per channel,
      the PSNR is computed in the units of the pixels.

  Returns:
    The ratios. That of an exact reconstruction is 3,077 dB, because an infinite
    ratio could not be averaged or stored as JSON. It is NaN or minus infinity
    if the mean squared error is NaN or infinite.
  """
  errors = outputs.astype(np.float64) - pixels
  if config.std is not None and len(config.std) == pixels.shape[-1]:
    errors *= config.std
  with np.errstate(over='ignore'):  # A fit that diverged can overflow.
    squares = np.square(errors).reshape(len(errors), -1)
    # Unlike a sum, an accumulation has a fixed order. One image after the other
    # is faster than all at once.
    totals = np.array([np.add.accumulate(image)[-1] for image in squares])
  mse = np.maximum(totals / squares.shape[1], np.finfo(np.float64).tiny)
  return -10 * np.array([exact.log10(error) for error in mse.tolist()])
