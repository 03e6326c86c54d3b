"""Ways around the transform: networks that imitate it, and can be derived.

LINAC optimises, and nobody derives 320 steps of Adam. Rusu et al. (2022) attack
it by a Parametric Bypass Approximation (PBA): a network is trained from images
to representations under the key that the attacker has, and takes the
transform's place. A backward-pass differentiable approximation (BPDA, Athalye
et al. 2018) uses the same network for gradients alone, and fits each image to
know where it is.
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

from classifiers.attacks.pgd import Objective, margins, objective_of
from classifiers.data import Split
from classifiers.defence.classifier import DefendedClassifier
from classifiers.network.model import Model
from linac_config.config import CIFAR10_MEAN, CIFAR10_STD

_BATCH_SIZE = 50


class BypassNetwork(nn.Module):
  """From images in [0, 1] to representations.

  A unit depends on where its pixel is, on what is around it, and on
  the whole image, by the weights that were fitted to it. So features of the
  pixel, of its neighbourhood and of the image are mapped by a matrix of each
  pixel's own.

  Attributes:
    units: channels of a representation.
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
  """A trained imitation.

  Attributes:
    network: the Flax module.
    params: its parameters.
    explained: the part of the variance around the mean representation that it
      predicts, on images it was not trained on.
  """

  network: BypassNetwork
  params: dict
  explained: float

  def __call__(
    self, x: Float[Array, 'n height width channels']
  ) -> Float[Array, 'n height width units']:
    """Representations, as far as it knows, of images in [0, 1]."""
    return self.network.apply(self.params, x)


def train_bypass(
  train: Split, held_out: Split, epochs: int, seed: int
) -> Bypass:
  """Fits the imitation by squared errors.

  Args:
    train: of `cifar10_linac` under the attacker's key.
    held_out: images of the same dataset to measure it on.
    epochs: passes over `train`.
    seed: of weights and orders.
  """
  network = BypassNetwork(
    train.builder.info.features['representation'].shape[-1]
  )
  batches = functools.partial(
    train.shuffled_batches, ('image', 'representation'), _BATCH_SIZE, seed
  )
  optimizer = _optimizer(epochs * (train.count // _BATCH_SIZE))
  params, state = None, None
  for epoch in range(epochs):
    for batch in batches(epoch):
      x, target = batch['image'], batch['representation']
      if params is None:
        params = network.init(jax.random.key(seed), x[:1] / np.float32(255))
        # The mean image's representation is most of any.
        params['params']['mean'] = jnp.asarray(target, np.float32).mean(axis=0)
        state = optimizer.init(params)
      params, state = _step(network, optimizer, params, state, x, target)
  return Bypass(network, params, _explained(network, params, held_out))


def pba_objective(model: Model, bypass: Bypass) -> Objective:
  """The loss and its gradient, all by way of the imitation."""
  return objective_of(lambda x: model.logits(bypass(x)))


def bpda_objective(classifier: DefendedClassifier, bypass: Bypass) -> Objective:
  """The true loss, and a gradient through the imitation.

  Args:
    classifier: with the transform under the attacker's key; fits every image
      it is asked for, rounded to 8 bits.
    bypass: under the same key.
  """

  @jax.jit
  def derive(representations, x, labels):
    def total(representations):
      losses = margins(classifier.model.logits(representations), labels)
      return losses.sum(), losses

    (_, losses), cotangents = jax.value_and_grad(total, has_aux=True)(
      representations
    )
    (gradients,) = jax.vjp(bypass, x)[1](cotangents)
    return losses, gradients

  def objective(x, labels):
    images = np.rint(255 * x).astype(np.uint8)
    return derive(
      classifier.representations(images), x.astype(np.float32), labels
    )

  return objective


def standardised(x: Float[Array, 'n h w c']) -> Float[Array, 'n h w c']:
  """Images in [0, 1] as networks see them, in a way that can be derived."""
  mean, std = (
    jnp.array(constants, x.dtype)[None, None, None]
    for constants in (CIFAR10_MEAN, CIFAR10_STD)
  )
  return (x - mean) / std


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
  # Optax counts steps in int32 and mixes them with floats.
  with jax.numpy_dtype_promotion('standard'):
    updates, state = optimizer.update(grads, state)
  return optax.apply_updates(params, updates), state


def _explained(network, params, held_out: Split) -> float:
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
