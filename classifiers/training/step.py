"""A single optimisation step of a classifier, and the state that it changes."""

from __future__ import annotations

import functools

import flax
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from classifiers.network.wide_resnet import WideResNet
from classifiers.training.config import TrainConfig


@flax.struct.dataclass
class TrainState:
  """Everything that a step changes.

  Attributes:
    step: The number of steps taken so far.
    variables: The collections `params` and `batch_stats`.
    optimizer: The state of the Optax optimiser.
    ema: The exponential moving averages of `variables`.
  """

  step: Int[Array, '']
  variables: dict
  optimizer: optax.OptState
  ema: dict


# JAX compiles a step anew for every optimiser object, so there is one for each
# config.
@functools.cache
def make_optimizer(
  config: TrainConfig, num_steps: int
) -> optax.GradientTransformation:
  """Returns AdamW with a warm-up and a cosine decay over all steps."""
  # At least one step follows the warm-up, so a single step has none.
  warm_up = min(max(num_steps // 10, 1), num_steps - 1)
  schedule = optax.warmup_cosine_decay_schedule(
    0, config.learning_rate, warm_up, num_steps
  )
  kernels = functools.partial(jax.tree.map, lambda param: param.ndim > 1)
  return optax.adamw(schedule, weight_decay=config.weight_decay, mask=kernels)


@functools.partial(jax.jit, static_argnums=(4, 5, 6))
def take_step(
  state: TrainState,
  inputs: Float[Array, 'n height width channels'],
  labels: Int[Array, 'n'],
  key: PRNGKeyArray,
  network: WideResNet,
  optimizer: optax.GradientTransformation,
  config: TrainConfig,
) -> tuple[TrainState, Float[Array, '']]:
  """Updates the weights and their averages once.

  Args:
    state: The state before the step.
    inputs: Representations or normalised images.
    labels: The classes of the inputs.
    key: The random key of the whole run. The step's own key follows from it
      and from the number of the step.
    network: The network to train.
    optimizer: The result of `make_optimizer`.
    config: The settings of the run.

  Returns:
    The state after the step, and the mean cross-entropy of the batch before it.
  """
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
  # Optax multiplies int32 step counts by floats, which strict promotion
  # forbids.
  with jax.numpy_dtype_promotion('standard'):
    updates, optimizer_state = optimizer.update(grads, state.optimizer, params)
    # A constant decay would give the initial weights a share in early averages.
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
  """Averages each example with the example at the opposite end of the batch.

  This is mixup (Zhang et al. 2018) with alpha = 1. The whole batch has one
  weight, drawn uniformly from [0, 1], for inputs and targets alike.
  """
  weight = jax.random.uniform(key)
  mix = lambda x: weight * x + (1 - weight) * x[::-1]  # noqa: E731
  return mix(inputs), mix(targets)
