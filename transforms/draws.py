"""Everything that is random in a LINAC transform, drawn once on the host."""

from __future__ import annotations

import dataclasses
import itertools

import jax
import numpy as np
from jaxtyping import Array, Float32, Int32

from linac_config.config import LinacConfig

from . import encoding, keys

# Draws hold NumPy arrays when they are made and JAX arrays in a jitted fit.
AnyArray = Array | np.ndarray


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Draws:
  """The random numbers of a seed and the encoded grid, shared by all images.

  Attributes:
    weights: One `[fan_in, fan_out]` matrix per layer, the output layer last.
      Biases start at zero.
    inputs: The encoded coordinates of the pixel grid, row by row.
    grid_order: The permutation that shuffles the grid before all epochs.
    epoch_orders: The permutation of the shuffled grid for each epoch.
  """

  weights: tuple[Float32[AnyArray, '_ _'], ...]
  inputs: Float32[AnyArray, 'pixels features']
  grid_order: Int32[AnyArray, 'pixels']
  epoch_orders: Int32[AnyArray, 'epochs pixels']

  def batches(self, batch_size: int) -> Int32[AnyArray, 'steps batch']:
    """Returns the grid indices of the pixels of each optimisation step."""
    return self.grid_order[self.epoch_orders].reshape(-1, batch_size)


def draw(config: LinacConfig, shape: tuple[int, int, int]) -> Draws:
  """Draws weights and pixel orders from the config's seed.

  Args:
    config: The transform.
    shape: The (height, width, channels) of the images.

  Returns:
    The draws. They are the same on every machine and under any JAX
    configuration.

  Raises:
    TypeError: if the config has no seed, because its key is private.
    ValueError: if the config's batch size does not divide height * width.
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

  # This is the order of the splits in the published code. It leaves two keys
  # unused.
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
    inputs=inputs,
    grid_order=keys.permutation(shuffle, pixels).astype(np.int32),
    epoch_orders=np.stack(epoch_orders).astype(np.int32),
  )
