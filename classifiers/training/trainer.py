"""One optimisation step of a classifier, and the epochs around it.

Everything random follows from the config's seed and the number of the step or
the epoch, so a run that goes on where it stopped is the run that did not stop.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import flax
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from classifiers.data import Split
from classifiers.defence.classifier import normalised
from classifiers.network.model import Model, ModelSpec
from classifiers.network.wide_resnet import WideResNet


@dataclasses.dataclass(frozen=True)
class TrainConfig:
  """How a classifier is trained.

  Attributes:
    depth: of the WideResNet.
    width: of the WideResNet.
    epochs: passes over the training split.
    batch_size: examples per step; a last, smaller batch is left out.
    learning_rate: AdamW's largest, warmed up and decayed along a cosine.
    weight_decay: AdamW's, on kernels alone.
    ema_decay: of the averaged weights, which are what is kept.
    mixup: whether examples are mixed in pairs. What else is done to images
      makes no sense of representations: see docs/classifier.md.
    seed: of weights, order and mixup. It is not the transform's key.

  Raises:
    ValueError: naming the field and its value.
  """

  depth: int = 10
  width: int = 1
  epochs: int = 12
  batch_size: int = 50
  learning_rate: float = 3e-3
  weight_decay: float = 1e-2
  ema_decay: float = 0.99
  mixup: bool = True
  seed: int = 0

  def __post_init__(self):
    for name in ('epochs', 'batch_size', 'learning_rate'):
      if not getattr(self, name) > 0:
        raise ValueError(f'{name}={getattr(self, name)} must be positive.')
    if not self.weight_decay >= 0:
      raise ValueError(
        f'weight_decay={self.weight_decay} must not be negative.'
      )
    if not 0 <= self.ema_decay < 1:
      raise ValueError(f'ema_decay={self.ema_decay} must be in [0, 1).')
    if not 0 <= self.seed < 2**32:
      raise ValueError(f'seed={self.seed} must be in [0, 2**32).')


# `cpu` is for 2,000 images in minutes, `gpu` for all of CIFAR-10.
PRESETS = {
  'cpu': TrainConfig(),
  'gpu': TrainConfig(
    depth=28,
    width=10,
    epochs=100,
    batch_size=256,
    learning_rate=1e-3,
    weight_decay=5e-2,
    ema_decay=0.999,
  ),
}


@flax.struct.dataclass
class TrainState:
  """All that a step changes.

  Attributes:
    step: number of steps made.
    variables: `params` and `batch_stats`.
    optimizer: Optax's state.
    ema: averages of `variables`.
  """

  step: Int[Array, '']
  variables: dict
  optimizer: optax.OptState
  ema: dict


class Trainer:
  """Trains a classifier on a split of a prepared dataset."""

  def __init__(self, config: TrainConfig, split: Split, inputs: str):
    """Takes a split with the feature `inputs`.

    Raises:
      ValueError: if the split holds less than a batch, or no such feature.
    """
    features = split.builder.info.features
    if inputs not in features:
      raise ValueError(
        f'{split.builder.info.full_name} has no feature {inputs!r}.'
      )
    self.steps_per_epoch = split.count // config.batch_size
    if not self.steps_per_epoch:
      raise ValueError(
        f'batch_size={config.batch_size} is more than the {split.count} '
        f'examples of {split.name}.'
      )
    self.config, self.split, self.inputs = config, split, inputs
    self.spec = ModelSpec(
      depth=config.depth,
      width=config.width,
      in_channels=features[inputs].shape[-1],
      num_classes=split.num_classes,
      inputs=inputs,
      config_name=split.builder.builder_config.name,
    )
    self._optimizer = _optimizer(config, config.epochs * self.steps_per_epoch)
    self._key = jax.random.key(config.seed)

  def initial_state(self) -> TrainState:
    """The state before the first step."""
    inputs = jnp.zeros((1, 32, 32, self.spec.in_channels))
    variables = _init(self.spec.network, self._key, inputs)
    return TrainState(
      step=jnp.zeros((), jnp.int32),
      variables=variables,
      optimizer=self._optimizer.init(variables['params']),
      ema=variables,
    )

  def epoch(
    self, state: TrainState, on_step: Callable[[], object] = lambda: None
  ) -> tuple[TrainState, float]:
    """Makes the steps of the epoch that the state is at.

    Args:
      state: at the beginning of an epoch.
      on_step: called after each step.

    Returns:
      The state at its end, and the mean loss.
    """
    epoch = int(state.step) // self.steps_per_epoch
    losses = []
    for batch in self.split.shuffled_batches(
      (self.inputs, 'label'), self.config.batch_size, self.config.seed, epoch
    ):
      inputs = batch[self.inputs]
      state, loss = _step(
        state,
        normalised(inputs) if self.inputs == 'image' else inputs,
        batch['label'].astype(np.int32),
        self._key,
        self.spec.network,
        self._optimizer,
        self.config,
      )
      losses.append(loss)
      on_step()
    return state, float(np.mean(losses))

  def model(self, state: TrainState) -> Model:
    """The classifier with averaged weights."""
    return Model(self.spec, state.ema)


@functools.partial(jax.jit, static_argnums=0)
def _init(network: WideResNet, key: PRNGKeyArray, inputs: Array) -> dict:
  return network.init(key, inputs)


# One object for one config, so that JAX compiles a step once.
@functools.cache
def _optimizer(
  config: TrainConfig, num_steps: int
) -> optax.GradientTransformation:
  schedule = optax.warmup_cosine_decay_schedule(
    0, config.learning_rate, max(num_steps // 10, 1), num_steps
  )
  kernels = functools.partial(jax.tree.map, lambda param: param.ndim > 1)
  return optax.adamw(schedule, weight_decay=config.weight_decay, mask=kernels)


@functools.partial(jax.jit, static_argnums=(4, 5, 6))
def _step(
  state: TrainState,
  inputs: Float[Array, 'n height width channels'],
  labels: Int[Array, 'n'],
  key: PRNGKeyArray,
  network: WideResNet,
  optimizer: optax.GradientTransformation,
  config: TrainConfig,
) -> tuple[TrainState, Float[Array, '']]:
  inputs = inputs.astype(jnp.float32)
  targets = jax.nn.one_hot(labels, network.num_classes)
  if config.mixup:
    step_key = jax.random.fold_in(key, state.step)
    inputs, targets = mixup(step_key, inputs, targets)

  def loss_fn(params):
    logits, updated = network.apply(
      {**state.variables, 'params': params},
      inputs,
      train=True,
      mutable='batch_stats',
    )
    return optax.softmax_cross_entropy(logits, targets).mean(), updated

  params = state.variables['params']
  (loss, updated), grads = jax.value_and_grad(loss_fn, has_aux=True)(params)
  # Optax counts steps in int32 and mixes them with floats.
  with jax.numpy_dtype_promotion('standard'):
    updates, optimizer_state = optimizer.update(grads, state.optimizer, params)
    # Early averages would remember the initialisation.
    decay = jnp.minimum(config.ema_decay, (1 + state.step) / (10 + state.step))
  variables = {'params': optax.apply_updates(params, updates), **updated}
  return TrainState(
    step=state.step + 1,
    variables=variables,
    optimizer=optimizer_state,
    ema=optax.incremental_update(variables, state.ema, 1 - decay),
  ), loss


def mixup(
  key: PRNGKeyArray,
  inputs: Float[Array, 'n height width channels'],
  targets: Float[Array, 'n classes'],
) -> tuple[Float[Array, 'n height width channels'], Float[Array, 'n classes']]:
  """Weighted means of each example and the one opposite in its batch.

  Zhang et al., "mixup" (2018), with alpha 1: one weight a batch, uniform in
  [0, 1], for inputs and targets alike.
  """
  weight = jax.random.uniform(key)
  mix = lambda x: weight * x + (1 - weight) * x[::-1]  # noqa: E731
  return mix(inputs), mix(targets)
