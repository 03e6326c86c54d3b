"""The whole transform, from NumPy images to NumPy representations."""

from __future__ import annotations

import dataclasses
import functools
import os

import jax
import numpy as np
from jaxtyping import Float

from linac_config import KeylessConfig, LinacConfig

from . import encoding, psnr
from .canonical.check import check_bits
from .canonical.cuda.lowering import schedule_of
from .canonical.cuda.schedule import Sizes, default_images
from .draws import draw
from .fitting import fit
from .flags import compiler_options, own_flags
from .memory import images_in_memory, results_in_memory


@dataclasses.dataclass(frozen=True)
class LinacFit:
  """The result of fitting `n` images, in the dtype of the config's precision.

  A fit can diverge, for example under a huge learning rate or if float images
  hold huge values. Then some of its numbers are infinite or NaN, and its PSNR
  is NaN if any other number is NaN. Other images of the batch are not affected.

  Attributes:
    representation: The activations of the representation layer on the pixel
      grid.
    reconstruction: The output of the fitted networks, in normalised units.
    losses: The loss of each optimisation step before its update, equation 3 of
      Rusu et al. (2022).
    psnr: The peak signal-to-noise ratio of each reconstruction in dB, float64.
      It is computed over the whole grid for images scaled to [0, 1], with a
      peak of 1. If the config has no `std` for the images' channels, it is
      computed in the images' own units. The highest value, that of an exact
      reconstruction, is 3,077 dB.
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
  images: np.ndarray | jax.Array,
  config: LinacConfig,
  images_per_batch: int | None = None,
) -> LinacFit:
  """Computes LINAC representations (Rusu et al. 2022, algorithm 1).

  The result of an image does not depend on the other images of its batch.

  Args:
    images: The images, `[n, height, width, channels]`. uint8 images are
      normalised with the config's `mean` and `std`; float images must be
      normalised already.
    config: The transform.
    images_per_batch: The number of images to fit in one call to the device,
      which affects only the speed with `arithmetic='canonical'`, or in float64
      rounded to float16. On CPUs the default is the number of cores that the
      process may use, or 1 with `arithmetic='xla'`; on an accelerator it
      follows from the device's memory, and from the images that a canonical
      fit has at work at once.

  Returns:
    NumPy arrays with one row per image.

  Raises:
    TypeError: if the config has no seed, because its key is private; or inside
      `jax.jit`, `vmap` or `grad`, where images have no values.
    ValueError: if the images are empty, have another rank or dtype, or hold
      NaN or infinity; if `mean` or `std` do not fit uint8 images; if the
      config's batch size does not divide height * width; if
      `images_per_batch` is no positive integer; or if the config's arithmetic
      cannot be done here, see `fit`. The message names the value.
    CannotFitError: if the arithmetic is canonical, and the device is neither a
      CPU nor an NVIDIA GPU from Turing on, gives other bits than a CPU, or the
      kernel is missing or does not fit the installed JAX.
  """
  try:
    images = np.asarray(images)
  except jax.errors.TracerArrayConversionError:
    raise TypeError(
      'linac() fits images that have values, and inside jax.jit, vmap or grad '
      'they have none. Call it outside and pass its result in.'
    ) from None
  encoding.normalise(images, config)  # Refuses bad images before any fit.
  size = _checked(images_per_batch) or default_images_per_batch(
    config, images.shape[1:]
  )
  fits, started = [], None
  for i in range(0, len(images), size):
    before, started = started, start_fit(images[i : i + size], config, size)
    if before:  # The device fits the next batch while this one is fetched.
      fits.append(before.result())
  fits.append(started.result())
  return LinacFit(
    **{
      field.name: np.concatenate([getattr(fit, field.name) for fit in fits])
      for field in dataclasses.fields(LinacFit)
    }
  )


@dataclasses.dataclass(frozen=True)
class StartedFit:
  """A batch that the device is fitting.

  Attributes:
    images_shape: The shape of the images, `(n, height, width, channels)`.
    pixels: The normalised targets, without padding.
    config: The transform.
    dtype: The dtype of the representation in the result.
    arrays: The results of `fit` on the device, including padding.
  """

  images_shape: tuple[int, int, int, int]
  pixels: Float[np.ndarray, 'n pixels channels']
  config: LinacConfig
  dtype: np.dtype
  arrays: tuple[jax.Array, ...]

  def result(self) -> LinacFit:
    """Waits for the device and fetches the fit.

    Raises:
      CannotFitError: if the device is a GPU whose canonical fits have other
        bits than the CPU's. This process's first batch with these settings is
        checked by one image.
    """
    count, *grid = self.images_shape
    representation, outputs, losses = (
      np.asarray(array)[:count] for array in self.arrays
    )
    device = self.arrays[0].device
    if self.config.arithmetic == 'canonical' and _is_checked(device):
      first = representation[0], outputs[0], losses[0]
      self._check_once(device, self.pixels[0], first)
    with np.errstate(over='ignore'):  # The caller decides about infinity.
      representation = representation.astype(self.dtype, copy=False)
    return LinacFit(
      representation=representation.reshape(count, *grid[:2], -1),
      reconstruction=outputs.reshape(self.images_shape),
      losses=losses,
      psnr=psnr.in_decibels(self.pixels, outputs, self.config),
    )

  def _check_once(self, device, pixels, fitted) -> None:
    key = (device, _program(self.config), self.images_shape[1:], self.dtype)
    if key not in _CHECKED:
      draws = _draws(self.config, self.images_shape[1:])
      check_bits(device.device_kind, pixels, draws, self.config, fitted)
      _CHECKED.add(key)


# The devices whose bits were checked, each with the settings of its fits.
_CHECKED = set()


def _is_checked(device: jax.Device) -> bool:
  """Whether the bits of a device are compared with the CPU's."""
  return device.platform != 'cpu'


def start_fit(
  images: np.ndarray,
  config: LinacConfig,
  images_per_batch: int,
  dtype: str | None = None,
) -> StartedFit:
  """Starts to fit one batch on the device and returns at once.

  To keep the device busy, start the next batch before you wait for the result
  of this one.

  Args:
    images: The images as for `linac`, at most `images_per_batch` of them.
    config: The transform.
    images_per_batch: The size to which the batch is padded if XLA fits it.
    dtype: The dtype of the representation. The default is the config's
      precision.

  Raises:
    TypeError, ValueError or CannotFitError: see `linac`.
  """
  pixels = encoding.normalise(images, config)
  dtype = np.dtype(dtype or config.precision)
  # XLA's bits can depend on the size of a batch, so all have the same size. The
  # canonical arithmetic needs no padding.
  padded = images_per_batch if config.arithmetic == 'xla' else len(pixels)
  padding = np.repeat(pixels[:1], padded - len(pixels), axis=0)
  with own_flags(config.precision):
    arrays = _compiled_fit()(
      np.concatenate([pixels, padding]),
      _draws(config, images.shape[1:]),
      _program(config),
      # XLA would round float64 to float32 and that to float16. So float64 is
      # rounded later, by NumPy, and only once.
      config.precision if config.precision == 'float64' else dtype.name,
    )
  return StartedFit(images.shape, pixels, config, dtype, arrays)


@functools.cache
def _compiled_fit():
  """Returns `fit` as a program, which is compiled once per config and dtype."""

  def fit_and_round(pixels, draws, config, dtype):
    representation, outputs, losses = fit(pixels, draws, config)
    # NumPy would take 20 times as long to round to float16.
    return representation.astype(dtype), outputs, losses

  return jax.jit(
    fit_and_round,
    static_argnames=('config', 'dtype'),
    compiler_options=compiler_options(),
  )


@functools.lru_cache(maxsize=2)
def _draws(config: LinacConfig, shape: tuple[int, int, int]):
  return draw(config, shape)


def _program(config: LinacConfig) -> LinacConfig:
  """Resets the fields that a compiled fit ignores, so seeds share a program."""
  return dataclasses.replace(
    config, seed=0, key_derivation='published', mean=None, std=None
  )


def default_images_per_batch(
  config: KeylessConfig, shape: tuple[int, int, int]
) -> int:
  """Returns the number of images to fit in one call to this process's device.

  Args:
    config: The transform.
    shape: The (height, width, channels) of the images.
  """
  device = jax.devices()[0]
  if device.platform == 'cpu':
    # XLA is fastest if a core has one image in its cache. The canonical kernel
    # fits one image on each core.
    return 1 if config.arithmetic == 'xla' else _usable_cores()
  # Some allocators keep no statistics. Then 8 GiB are assumed.
  num_bytes = (device.memory_stats() or {}).get('bytes_limit', 2**33)
  if config.arithmetic == 'xla' or device.platform != 'gpu':
    return images_in_memory(config, shape, num_bytes)
  schedule = schedule_of(Sizes.of(config, shape))
  return default_images(schedule, results_in_memory(config, shape, num_bytes))


def _usable_cores() -> int:
  if hasattr(os, 'sched_getaffinity'):
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


def _checked(images_per_batch: int | None) -> int | None:
  if images_per_batch is not None and (
    not isinstance(images_per_batch, int) or images_per_batch < 1
  ):
    raise ValueError(
      f'images_per_batch={images_per_batch!r} must be an integer, at least 1.'
    )
  return images_per_batch
