"""A network that imitates the transform and can be differentiated.

Rusu et al. (2022) call it a parametric bypass. An attacker trains it to predict
the representation of an image under the key that the attacker has.
"""

from __future__ import annotations

import dataclasses
import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from classifiers.data import Split
from classifiers.defence.inputs import standardised

_BATCH_SIZE = 50


class BypassNetwork(nn.Module):
  """A network from images in [0, 1] to representations.

  An activation depends on the position of its pixel, on the pixels around it
  and, through the fitted weights, on the whole image. Therefore the network
  computes features of the pixel, of its neighbourhood and of the image, and
  maps them to the activations with a separate matrix for each pixel.

  Attributes:
    units: The number of channels of a representation.
  """

  units: int

  @nn.compact
  def __call__(
    self, x: Float[Array, 'n height width channels']
  ) -> Float[Array, 'n height width units']:
    x = standardised(x)
    grid = x.shape[1:3]
    around = nn.swish(nn.Conv(8, (3, 3))(x))
    patches = nn.swish(nn.Conv(16, (4, 4), 4)(x))
    code = nn.swish(nn.Dense(32)(patches.reshape(len(x), -1)))
    code = jnp.broadcast_to(
      code[:, None, None], (len(x), *grid, code.shape[-1])
    )
    features = jnp.concatenate([x, around, code], axis=-1)
    kernel = self.param(
      'kernel', nn.initializers.zeros, (*grid, features.shape[-1], self.units)
    )
    mean = self.param('mean', nn.initializers.zeros, (*grid, self.units))
    return jnp.einsum('nhwf,hwfu->nhwu', features, kernel) + mean[None]


@dataclasses.dataclass(frozen=True)
class Bypass:
  """A trained imitation of the transform.

  Attributes:
    network: The Flax module.
    params: The parameters of the network.
    explained: The fraction of the variance of representations that the
      imitation predicts, on images that it was not trained on. It is 1 for a
      perfect imitation and 0 for one that always predicts the mean.
  """

  network: BypassNetwork
  params: dict
  explained: float

  def __call__(
    self, x: Float[Array, 'n height width channels']
  ) -> Float[Array, 'n height width units']:
    """Returns the predicted representations of images in [0, 1]."""
    return self.network.apply(self.params, x)


def train_bypass(
  train: Split, held_out: Split, epochs: int, seed: int
) -> Bypass:
  """Trains an imitation with Adam to minimise the mean squared error.

  Args:
    train: The training split of `cifar10_linac` under the attacker's key.
    held_out: A split of the same dataset, on which the imitation is evaluated.
    epochs: The number of passes over `train`.
    seed: The seed of the initial weights and of the order of the examples.

  Raises:
    ValueError: If the training or the representations are not finite.
  """
  network = BypassNetwork(
    train.builder.info.features['representation'].shape[-1]
  )
  size = min(_BATCH_SIZE, train.count)
  batches = functools.partial(
    train.shuffled_batches, ('image', 'representation'), size, seed
  )
  optimizer = _optimizer(epochs * (train.count // size))
  params, state = None, None
  for epoch in range(epochs):
    for batch in batches(epoch):
      x, target = batch['image'], batch['representation']
      if params is None:
        params = network.init(jax.random.key(seed), x[:1] / np.float32(255))
        # The mean representation is a large part of every representation, so
        # the training starts from it.
        params['params']['mean'] = jnp.asarray(target, np.float32).mean(axis=0)
        state = optimizer.init(params)
      params, state = _step(network, optimizer, params, state, x, target)
  explained = _explained(network, params, held_out)
  if not np.isfinite(explained):
    raise ValueError(
      f'The imitation of {train.builder.info.full_name} explains {explained} '
      'of the variance: its training diverged, or its representations are '
      'constant or not finite. Pass another --bypass_dataset.'
    )
  return Bypass(network, params, explained)


@functools.cache
def _optimizer(num_steps: int) -> optax.GradientTransformation:
  return optax.adam(optax.cosine_decay_schedule(3e-3, num_steps))


@functools.partial(jax.jit, static_argnums=(0, 1))
def _step(network, optimizer, params, state, images, target):
  x = images.astype(jnp.float32) / 255
  target = target.astype(jnp.float32)

  def loss_fn(params):
    return jnp.mean(jnp.square(network.apply(params, x) - target))

  grads = jax.grad(loss_fn)(params)
  # Optax multiplies int32 step counts by floats, which strict promotion
  # forbids.
  with jax.numpy_dtype_promotion('standard'):
    updates, state = optimizer.update(grads, state)
  return optax.apply_updates(params, updates), state


def _explained(network, params, held_out: Split) -> float:
  """Returns the fraction of the variance in a split that a network predicts."""
  predict = jax.jit(network.apply)
  error = total = 0.0
  size = min(_BATCH_SIZE, held_out.count)
  for batch in held_out.shuffled_batches(
    ('image', 'representation'), size, seed=0, epoch=0
  ):
    target = batch['representation'].astype(np.float32)
    mean = target.mean(axis=0)
    predicted = predict(params, batch['image'] / np.float32(255))
    error += np.square(predicted - target).sum()
    total += np.square(target - mean).sum()
  return float(1 - error / total)
