"""The fit in Flax and Optax, which XLA compiles: the readable reference.

XLA chooses the order of the operations, so bits depend on the device. This fit
takes every activation function, runs on every device and can be differentiated.
"""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from linac_config.config import LinacConfig

from . import inr
from .draws import AnyArray, Draws


def xla_fit(
  pixels: Float[AnyArray, 'n pixels channels'],
  draws: Draws,
  config: LinacConfig,
) -> tuple[
  Float[Array, 'n pixels units'],
  Float[Array, 'n pixels channels'],
  Float[Array, 'n steps'],
]:
  """Fits a network to each image; arguments and results are those of `fit`."""
  dtype = jnp.dtype(config.precision)
  draws = jax.tree.map(jnp.asarray, draws)
  inputs = draws.inputs.astype(dtype)
  batches = draws.batches(config.batch_size)
  model = inr.INR(config, channels=pixels.shape[-1])
  params = inr.initial_params(draws, config, dtype)
  optimizer = _optimizer(config, num_steps=len(batches))

  def loss_fn(params, batch_inputs, targets):
    outputs, _ = model.apply(params, batch_inputs)
    return jnp.mean(jnp.sum(jnp.square(outputs - targets), axis=-1))

  def fit_image(targets):
    def step(carry, batch):
      params, state = carry
      loss, grads = jax.value_and_grad(loss_fn)(
        params, inputs[batch], targets[batch]
      )
      # Optax counts steps in int32 and combines them with floats, which JAX's
      # strict promotion refuses.
      with jax.numpy_dtype_promotion('standard'):
        updates, state = optimizer.update(grads, state)
      return (optax.apply_updates(params, updates), state), loss

    # XLA copies the weights once per iteration of a loop. Two steps in each
    # iteration halve these copies.
    (fitted, _), losses = jax.lax.scan(
      step, (params, optimizer.init(params)), batches, unroll=2
    )
    outputs, representation = model.apply(fitted, inputs)
    return representation, outputs, losses

  # A CPU core is fastest if it has one image in its cache, an accelerator if it
  # fits many images at once.
  if jax.default_backend() == 'cpu':
    return jax.lax.map(fit_image, pixels.astype(dtype))
  return jax.vmap(fit_image)(pixels.astype(dtype))


def _optimizer(config: LinacConfig, num_steps: int):
  """Returns Adam with a cosine decay over the whole fit."""
  schedule = optax.cosine_decay_schedule(
    config.learning_rate, num_steps, config.decay_alpha
  )
  return optax.adam(schedule, b1=config.b1, b2=config.b2, eps=config.eps)
