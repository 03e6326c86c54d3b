"""The transform end to end: NumPy images in, NumPy representations out."""

from __future__ import annotations

import dataclasses
import functools

import jax
import numpy as np
from jaxtyping import Float

from transforms import encoding
from transforms.config import LinacConfig
from transforms.draws import draw
from transforms.fitting import fit


@dataclasses.dataclass(frozen=True)
class LinacFit:
  """The result of fitting `n` images, in the dtype of the config's precision.

  Attributes:
    representation: activations of the representation layer on the pixel grid.
    reconstruction: output of the fitted networks, in normalised units.
    losses: of each optimisation step, before its update.
    psnr: dB over the whole grid, of images scaled to [0, 1], peak 1. Where the
      config has no `std` for the image's channels, in the images' own units.
  """

  representation: Float[np.ndarray, 'n height width units']
  reconstruction: Float[np.ndarray, 'n height width channels']
  losses: Float[np.ndarray, 'n steps']
  psnr: Float[np.ndarray, 'n']


def linac(
  images: np.ndarray, config: LinacConfig, images_per_batch: int | None = None
) -> LinacFit:
  """Computes LINAC representations (Rusu et al. 2022, algorithm 1).

  An image's result does not depend on the images beside it: batches have one
  fixed size, the last one padded.

  Args:
    images: `[n, height, width, channels]`; uint8 images are normalised with the
      config's `mean` and `std`, float images are taken as normalised.
    config: the transform.
    images_per_batch: images fitted by one call to the device; a matter of speed
      alone. Default: 1 on a CPU, 256 elsewhere (not measured yet).

  Returns:
    NumPy arrays, one row per image.

  Raises:
    ValueError: naming the value, for images that are empty or have another rank
      or dtype, NaN or infinity, constants that do not fit their channels, or a
      pixel batch that does not divide them.
  """
  images = np.asarray(images)
  pixels = encoding.normalise(images, config)
  shape = images.shape[1:]
  size = _images_per_batch(images_per_batch)
  fitted = [
    _fit_batch(pixels[i : i + size], shape, config, size)
    for i in range(0, len(pixels), size)
  ]
  representation, outputs, losses = map(
    np.concatenate, zip(*fitted, strict=True)
  )
  return LinacFit(
    representation=representation.reshape((*images.shape[:3], -1)),
    reconstruction=outputs.reshape(images.shape),
    losses=losses,
    psnr=_psnr(pixels, outputs, config),
  )


def _fit_batch(
  pixels: Float[np.ndarray, 'n pixels channels'],
  shape: tuple[int, int, int],
  config: LinacConfig,
  size: int,
):
  """Fits at most `size` images as a batch of exactly `size`.

  Returns what `fit` does, as NumPy arrays of `len(pixels)` rows.
  """
  padding = np.repeat(pixels[:1], size - len(pixels), axis=0)
  # The caller's flag must not decide the bits.
  with jax.enable_x64(config.precision == 'float64'):
    results = _compiled_fit(
      np.concatenate([pixels, padding]), _draws(config, shape), _program(config)
    )
    return tuple(np.asarray(r)[: len(pixels)] for r in results)


_compiled_fit = jax.jit(fit, static_argnames='config')


@functools.lru_cache(maxsize=2)
def _draws(config: LinacConfig, shape: tuple[int, int, int]):
  return draw(config, shape)


def _program(config: LinacConfig) -> LinacConfig:
  """The config less what only the draws depend on: seeds share a program."""
  return dataclasses.replace(
    config, seed=0, key_derivation='published', mean=None, std=None
  )


def _images_per_batch(requested: int | None) -> int:
  if requested is None:
    return 1 if jax.default_backend() == 'cpu' else 256
  if not isinstance(requested, int) or requested < 1:
    raise ValueError(
      f'images_per_batch={requested!r} must be an integer, at least 1.'
    )
  return requested


def _psnr(pixels, outputs, config: LinacConfig) -> Float[np.ndarray, 'n']:
  errors = outputs.astype(np.float64) - pixels
  if config.std is not None and len(config.std) == pixels.shape[-1]:
    errors *= config.std
  return -10 * np.log10(np.mean(np.square(errors), axis=(1, 2)))
