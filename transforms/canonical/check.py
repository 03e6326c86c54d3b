"""The check that a GPU gives the bits of a CPU, before its fits are used."""

from __future__ import annotations

import ctypes

import numpy as np
from jaxtyping import Float

from linac_config.config import LinacConfig
from linac_config.errors import CannotFitError

from ..draws import Draws
from . import library
from .fit import arguments_of, kernel_name

Fitted = tuple[np.ndarray, np.ndarray, np.ndarray]


def check_bits(
  device: str,
  pixels: Float[np.ndarray, 'pixels channels'],
  draws: Draws,
  config: LinacConfig,
  fitted: Fitted,
) -> None:
  """Compares the fit of an image with the CPU's.

  Args:
    device: The name of the device that has fitted the image.
    pixels: The normalised image.
    draws: The draws of the fit.
    config: The transform.
    fitted: The representation in any dtype, the reconstruction and the losses.

  Raises:
    CannotFitError: A bit differs; the message names the device and the first
      loss that differs. Or there is no memory for the fit.
  """
  expected = fit_on_cpu(pixels, draws, config)
  for step, (loss, wanted) in enumerate(
    zip(fitted[2], expected[2], strict=True)
  ):
    if not _are_equal(loss, wanted):
      raise CannotFitError(
        f'{device} does not give the bits of the CPU, so none of its fits is '
        f'used: in step {step} the loss of the first image is {loss!s}, and '
        f'{wanted!s} on the CPU. {_ADVICE}'
      )
  with np.errstate(over='ignore'):
    rounded = expected[0].astype(fitted[0].dtype)
  for name, array, wanted in (
    ('representation', fitted[0], rounded),
    ('reconstruction', fitted[1], expected[1]),
  ):
    if not _are_equal(array, wanted):
      raise CannotFitError(
        f'{device} does not give the bits of the CPU, so none of its fits is '
        f'used: the losses of the first image are equal, but its {name} is '
        f'not. {_ADVICE}'
      )


def _are_equal(found: np.ndarray, expected: np.ndarray) -> bool:
  """Whether all bits are equal, but for those that NaNs leave open."""
  signs = [np.signbit(array) | np.isnan(array) for array in (found, expected)]
  return np.array_equal(found, expected, equal_nan=True) and np.array_equal(
    *signs
  )


_ADVICE = (
  'Fit on the CPU with the environment variable JAX_PLATFORMS=cpu, or use a '
  "config with arithmetic='xla', and report this device to the project."
)


def fit_on_cpu(
  pixels: Float[np.ndarray, 'pixels channels'],
  draws: Draws,
  config: LinacConfig,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Fits one image by a direct call of the CPU's kernel, without JAX's CPU.

  Returns:
    The representation, the reconstruction and the losses, as of `fit`.

  Raises:
    CannotFitError: There is no memory for the fit.
  """
  kernel_name()  # Refuses one that does not run here.
  arrays = arguments_of(pixels, draws, config, np.ascontiguousarray)
  batches, dtype = arrays[2], arrays[0].dtype
  count, channels = pixels.shape
  units = config.representation_channels(channels)
  shapes = [(count, units), (count, channels), (len(batches),)]
  results = [np.empty(shape, dtype) for shape in shapes]
  sizes = [*batches.shape, *draws.inputs.shape, config.width]
  sizes += [config.num_layers, channels, config.representation_layer]
  sizes += [config.use_bias]

  def pointers(arrays):
    return (ctypes.c_void_p * len(arrays))(*(a.ctypes.data for a in arrays))

  if not library.load().linac_fit_image(
    dtype.itemsize,
    (ctypes.c_int64 * len(sizes))(*sizes),
    pointers(arrays[:5]),
    pointers(arrays[5:]),
    pointers(results),
  ):
    raise CannotFitError(
      'There is no memory to fit an image on the CPU, which checks the bits of '
      'a GPU.'
    )
  return tuple(results)
