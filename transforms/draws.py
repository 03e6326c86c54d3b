"""Everything random about a LINAC transform, drawn once on the host."""

from __future__ import annotations

import dataclasses
import itertools

import jax
import numpy as np
from jaxtyping import Array, Float32, Int32

from linac_config.config import LinacConfig

from . import encoding, keys

# NumPy when drawn, JAX's inside a jitted fit.
AnyArray = Array | np.ndarray


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Draws:
  """What a seed fixes, shared by all images: numbers, no keys.

  Attributes:
    weights: one `[fan_in, fan_out]` matrix per layer, the output layer last.
      Biases start at zero.
    inputs: encoded coordinates of the grid, row by row.
    grid_order: the shuffle of the grid that precedes all epochs.
    epoch_orders: each epoch's permutation of the shuffled grid.
  """

  weights: tuple[Float32[AnyArray, '_ _'], ...]
  inputs: Float32[AnyArray, 'pixels features']
  grid_order: Int32[AnyArray, 'pixels']
  epoch_orders: Int32[AnyArray, 'epochs pixels']

  def batches(self, batch_size: int) -> Int32[AnyArray, 'steps batch']:
    """Grid indices of the pixels of each optimisation step."""
    return self.grid_order[self.epoch_orders].reshape(-1, batch_size)


def draw(config: LinacConfig, shape: tuple[int, int, int]) -> Draws:
  """Draws weights and pixel orders from the config's seed.

  Args:
    config: the transform.
    shape: (height, width, channels) of the images.

  Returns:
    The draws; equal on every machine and under any JAX configuration.

  Raises:
    TypeError: if the config has no seed, because its key is private.
    ValueError: if the pixel batch does not divide height * width.
  """
  if not isinstance(config, LinacConfig):
    raise TypeError(
      f'config={config} has no seed to fit with. Make a LinacConfig of it: '
      'config.with_seed(seed).'
    )
  height, width, channels = shape
  pixels = height * width
  config.num_steps(pixels)  # Refuses a pixel batch that does not divide.
  inputs = encoding.positional_encoding(
    encoding.pixel_grid(height, width), config.num_features
  )

  # The order of these splits is the published code's; two keys go unused.
  root, init = keys.split(keys.root_key(config.seed, config.key_derivation))
  root, _ = keys.split(root)
  root, train = keys.split(root)
  root, shuffle = keys.split(root)

  sizes = [inputs.shape[1]] + [config.width] * config.num_layers + [channels]
  weights = []
  for fan_in, fan_out in itertools.pairwise(sizes):
    init, key = keys.split(init)
    weights.append(
      keys.truncated_normal(key, fan_in * fan_out, 1 / np.sqrt(fan_in)).reshape(
        fan_in, fan_out
      )
    )

  epoch_orders = []
  for key in keys.split(train, config.num_epochs):
    _, key = keys.split(key)
    _, key = keys.split(key)
    epoch_orders.append(keys.permutation(key, pixels))

  return Draws(
    weights=tuple(weights),
    inputs=inputs.astype(np.float32),
    grid_order=keys.permutation(shuffle, pixels).astype(np.int32),
    epoch_orders=np.stack(epoch_orders).astype(np.int32),
  )
