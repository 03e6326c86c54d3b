"""The transform end to end: NumPy images in, NumPy representations out."""

from __future__ import annotations

import dataclasses
import functools

import jax
import numpy as np
from jaxtyping import Float

from linac_config import KeylessConfig, LinacConfig

from . import encoding
from .draws import draw
from .fitting import fit
from .memory import images_in_memory


@dataclasses.dataclass(frozen=True)
class LinacFit:
  """The result of fitting `n` images, in the dtype of the config's precision.

  Where a fit diverges (a huge learning rate, float images of huge values), some
  of its numbers are infinite or NaN, and its PSNR is NaN if any is. The results
  of other images are as they would be without it.

  Attributes:
    representation: activations of the representation layer on the pixel grid.
    reconstruction: output of the fitted networks, in normalised units.
    losses: of each optimisation step, before its update.
    psnr: dB over the whole grid, of images scaled to [0, 1], peak 1; float64.
      Where the config has no `std` for the image's channels, in the images' own
      units. An exact reconstruction has 3,077 dB, the most there is.
  """

  representation: Float[np.ndarray, 'n height width units']
  reconstruction: Float[np.ndarray, 'n height width channels']
  losses: Float[np.ndarray, 'n steps']
  psnr: Float[np.ndarray, 'n']

  @property
  def final_loss(self) -> Float[np.ndarray, 'n']:
    """The loss of the last optimisation step."""
    return self.losses[:, -1]


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
      alone. Default: 1 on a CPU, elsewhere what the device's memory holds.

  Returns:
    NumPy arrays, one row per image.

  Raises:
    ValueError: naming the value, for images that are empty or have another rank
      or dtype, NaN or infinity, constants that do not fit their channels, or a
      pixel batch that does not divide them.
  """
  images = np.asarray(images)
  encoding.normalise(images, config)  # Bad input is refused before work starts.
  size = _checked(images_per_batch) or default_images_per_batch(
    config, images.shape[1:]
  )
  fits = [
    start_fit(images[i : i + size], config, size).result()
    for i in range(0, len(images), size)
  ]
  return LinacFit(
    **{
      field.name: np.concatenate([getattr(fit, field.name) for fit in fits])
      for field in dataclasses.fields(LinacFit)
    }
  )


@dataclasses.dataclass(frozen=True)
class StartedFit:
  """A batch that the device is working on.

  Attributes:
    images_shape: `(n, height, width, channels)`.
    pixels: the normalised targets, without padding.
    config: the transform.
    dtype: of the representation to come.
    arrays: what `fit` returns, padding included, on the device.
  """

  images_shape: tuple[int, int, int, int]
  pixels: Float[np.ndarray, 'n pixels channels']
  config: LinacConfig
  dtype: np.dtype
  arrays: tuple[jax.Array, ...]

  def result(self) -> LinacFit:
    """Waits for the device and fetches the fit."""
    count, *grid = self.images_shape
    representation, outputs, losses = (
      np.asarray(array)[:count] for array in self.arrays
    )
    with np.errstate(over='ignore'):  # Infinity is for the caller to judge.
      representation = representation.astype(self.dtype, copy=False)
    return LinacFit(
      representation=representation.reshape(count, *grid[:2], -1),
      reconstruction=outputs.reshape(self.images_shape),
      losses=losses,
      psnr=_psnr(self.pixels, outputs, self.config),
    )


def start_fit(
  images: np.ndarray,
  config: LinacConfig,
  images_per_batch: int,
  dtype: str | None = None,
) -> StartedFit:
  """Hands one batch to the device and returns at once.

  A caller that starts a batch before it takes the result of the one before
  keeps the device busy.

  Args:
    images: at most `images_per_batch`, as for `linac`.
    config: the transform.
    images_per_batch: the size that the batch is padded to.
    dtype: of the representation; default: that of the config's precision.

  Raises:
    ValueError: as `linac`.
  """
  pixels = encoding.normalise(images, config)
  dtype = np.dtype(dtype or config.precision)
  padding = np.repeat(pixels[:1], images_per_batch - len(pixels), axis=0)
  # The caller's flag must not decide the bits.
  with jax.enable_x64(config.precision == 'float64'):
    arrays = _compiled_fit()(
      np.concatenate([pixels, padding]),
      _draws(config, images.shape[1:]),
      _program(config),
      # XLA rounds float64 to float16 by way of float32, and so twice.
      config.precision if config.precision == 'float64' else dtype.name,
    )
  return StartedFit(images.shape, pixels, config, dtype, arrays)


@functools.cache
def _compiled_fit():
  """`fit`, compiled once per config and the dtype of the representation."""

  def fit_and_round(pixels, draws, config, dtype):
    representation, outputs, losses = fit(pixels, draws, config)
    # NumPy takes 20 times as long to round to float16.
    return representation.astype(dtype), outputs, losses

  on_cpu = jax.default_backend() == 'cpu'
  return jax.jit(
    fit_and_round,
    static_argnames=('config', 'dtype'),
    # XLA keeps to 256 bits unless told; where there are 512, a tenth faster.
    compiler_options={'xla_cpu_prefer_vector_width': 512} if on_cpu else None,
  )


@functools.lru_cache(maxsize=2)
def _draws(config: LinacConfig, shape: tuple[int, int, int]):
  return draw(config, shape)


def _program(config: LinacConfig) -> LinacConfig:
  """The config less what only the draws depend on: seeds share a program."""
  return dataclasses.replace(
    config, seed=0, key_derivation='published', mean=None, std=None
  )


def default_images_per_batch(
  config: KeylessConfig, shape: tuple[int, int, int]
) -> int:
  """Images to fit by one call to this process's device."""
  device = jax.devices()[0]
  if device.platform == 'cpu':
    return 1
  # Not all allocators keep statistics.
  num_bytes = (device.memory_stats() or {}).get('bytes_limit', 2**33)
  return images_in_memory(config, shape, num_bytes)


def _checked(images_per_batch: int | None) -> int | None:
  if images_per_batch is not None and (
    not isinstance(images_per_batch, int) or images_per_batch < 1
  ):
    raise ValueError(
      f'images_per_batch={images_per_batch!r} must be an integer, at least 1.'
    )
  return images_per_batch


def _psnr(pixels, outputs, config: LinacConfig) -> Float[np.ndarray, 'n']:
  errors = outputs.astype(np.float64) - pixels
  if config.std is not None and len(config.std) == pixels.shape[-1]:
    errors *= config.std
  with np.errstate(over='ignore'):  # Of a fit that diverged.
    mse = np.mean(np.square(errors), axis=(1, 2))
  # JSON has no infinity, nor has it a mean.
  return -10 * np.log10(np.maximum(mse, np.finfo(np.float64).tiny))
