"""Fits one implicit neural representation per image."""

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from linac_config.config import LinacConfig

from . import inr
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
  """Fits every image on its own, all from the same draws.

  Pure and jittable (`config` static). In float64 it must run under
  `jax.enable_x64(True)`.

  Args:
    pixels: normalised pixel values, row by row.
    draws: from `draw` with the same config.
    config: the transform.

  Returns:
    Representations, reconstructions and the loss of each step (equation 3 of
    Rusu et al. 2022: the mean over pixels of the squared error summed over
    channels, before the step's update).

  Raises:
    ValueError: for float64 without x64, which JAX would do in float32.
  """
  dtype = jnp.dtype(config.precision)
  if dtype == jnp.float64 and not jax.config.jax_enable_x64:
    raise ValueError(
      "precision='float64' needs `with jax.enable_x64(True):` "
      'around fit; linac does so itself.'
    )
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
      # Optax counts steps in int32 and mixes them with floats.
      with jax.numpy_dtype_promotion('standard'):
        updates, state = optimizer.update(grads, state)
      return (optax.apply_updates(params, updates), state), loss

    # XLA copies the weights once per iteration of a loop: two steps in one.
    (fitted, _), losses = jax.lax.scan(
      step, (params, optimizer.init(params)), batches, unroll=2
    )
    outputs, representation = model.apply(fitted, inputs)
    return representation, outputs, losses

  # A CPU core is fastest with one image in its cache, an accelerator with many.
  if jax.default_backend() == 'cpu':
    return jax.lax.map(fit_image, pixels.astype(dtype))
  return jax.vmap(fit_image)(pixels.astype(dtype))


def _optimizer(config: LinacConfig, num_steps: int):
  """Adam under a cosine decay over the whole fit."""
  schedule = optax.cosine_decay_schedule(
    config.learning_rate, num_steps, config.decay_alpha
  )
  return optax.adam(schedule, b1=config.b1, b2=config.b2, eps=config.eps)
