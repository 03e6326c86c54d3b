"""The implicit neural representation: a small multilayer perceptron in Flax."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from linac_config.config import LinacConfig

from .draws import Draws

ACTIVATIONS = {
  'relu': nn.relu,
  'tanh': nn.tanh,
  'gelu': nn.gelu,
  'silu': nn.silu,
  'sin': jnp.sin,
}


class INR(nn.Module):
  """Maps encoded coordinates to pixel values (Rusu et al. 2022, section 3.1).

  Attributes:
    config: The transform, which fixes the network's width, depth, biases,
      activation and representation layer.
    channels: The number of channels of the image.
  """

  config: LinacConfig
  channels: int

  @nn.compact
  def __call__(
    self, inputs: Float[Array, 'pixels features']
  ) -> tuple[Float[Array, 'pixels channels'], Float[Array, 'pixels units']]:
    """Returns the reconstruction and the representation of each pixel."""
    config = self.config
    dense = lambda i, size, bias: nn.Dense(  # noqa: E731
      size,
      use_bias=bias,
      param_dtype=inputs.dtype,
      precision=jax.lax.Precision.HIGHEST,
      name=f'layer_{i}',
    )
    activations = []
    x = inputs
    for i in range(config.num_layers):
      x = ACTIVATIONS[config.activation](
        dense(i, config.width, config.use_bias)(x)
      )
      activations.append(x)
    x = dense(config.num_layers, self.channels, True)(x)
    activations.append(x)
    return x, activations[config.representation_layer]


def initial_params(draws: Draws, config: LinacConfig, dtype) -> dict:
  """Returns the initial parameters of all images: drawn weights, zero biases.

  Args:
    draws: The result of `draw` for the same config.
    config: The transform.
    dtype: The dtype of the parameters.

  Returns:
    The parameters in the layout of Flax: `{'params': {'layer_0': ...}}`.
  """
  params = {}
  for i, weight in enumerate(draws.weights):
    params[f'layer_{i}'] = {'kernel': jnp.asarray(weight, dtype)}
    if config.use_bias or i == config.num_layers:
      params[f'layer_{i}']['bias'] = jnp.zeros(weight.shape[1], dtype)
  return {'params': params}
