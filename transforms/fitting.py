"""Fits one implicit neural representation per image."""

import jax
from jaxtyping import Array, Float

from linac_config.config import LinacConfig

from .canonical.fit import canonical_fit
from .draws import AnyArray, Draws


def fit(
  pixels: Float[AnyArray, 'n pixels channels'],
  draws: Draws,
  config: LinacConfig,
) -> tuple[
  Float[Array, 'n pixels units'],
  Float[Array, 'n pixels channels'],
  Float[Array, 'n steps'],
]:
  """Fits a network to each image, starting from the same draws.

  The function is pure and can be jitted, with `config` as a static argument. In
  float64 it must run under `jax.enable_x64(True)`. With `arithmetic='xla'` it
  can be differentiated and vmapped, too.

  Args:
    pixels: The normalised pixel values, row by row.
    draws: The result of `draw` for the same config.
    config: The transform.

  Returns:
    The representations, the reconstructions in normalised units, and the loss
    of each step before the step's update. The loss is equation 3 of Rusu et al.
    (2022): the squared error, summed over channels, averaged over pixels.

  Raises:
    ValueError: if the precision is float64 but x64 is off, because JAX would
      then compute in float32; or if this CPU does not run the kernel that the
      environment variable LINAC_KERNEL names.
    CannotFitError: if the arithmetic is canonical, and the device is neither a
      CPU nor an NVIDIA GPU from Turing on, or the kernel is missing or does not
      fit the installed JAX.
    NotImplementedError: if a canonical fit is differentiated or vmapped.
  """
  if config.precision == 'float64' and not jax.config.jax_enable_x64:
    raise ValueError(
      "precision='float64' needs `with jax.enable_x64(True):` "
      'around fit; linac does so itself.'
    )
  if config.arithmetic == 'canonical':
    return canonical_fit(pixels, draws, config)
  # Flax and Optax, which only this fit needs, take 0.3 s to import.
  from .xla_fit import xla_fit

  return xla_fit(pixels, draws, config)
