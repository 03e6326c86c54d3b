"""A straightforward fit that works like the published notebook.

It is one vmapped program over a batch, which computes the norms of parameters,
optimiser state, data, gradients and updates at every step. Draws and results
are those of `transforms.fit`.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax

from transforms import LinacConfig, draw, encoding, inr


def baseline(images: np.ndarray, config: LinacConfig) -> np.ndarray:
  """Returns the representations of images, fitted in one batch in float32."""
  pixels = encoding.normalise(images, config)
  draws = draw(config, images.shape[1:])
  return np.asarray(baseline_fit(pixels, draws, config)[0])


@functools.partial(jax.jit, static_argnames='config')
def baseline_fit(pixels, draws, config: LinacConfig):
  """Fits networks to images, with the arguments of `transforms.fit`.

  Returns:
    The representations, and the losses and norms of each step.
  """
  model = inr.INR(config, channels=pixels.shape[-1])
  params = inr.initial_params(draws, config, jnp.float32)
  batches = draws.batches(config.batch_size)
  optimizer = optax.adam(
    optax.cosine_decay_schedule(
      config.learning_rate, len(batches), config.decay_alpha
    ),
    b1=config.b1,
    b2=config.b2,
    eps=config.eps,
  )

  def loss_fn(params, inputs, targets):
    outputs, _ = model.apply(params, inputs)
    return jnp.mean(jnp.sum(jnp.square(outputs - targets), axis=-1))

  def fit_image(targets):
    def step(carry, batch):
      params, state = carry
      data = draws.inputs[batch], targets[batch]
      loss, grads = jax.value_and_grad(loss_fn)(params, *data)
      updates, state = optimizer.update(grads, state)
      params = optax.apply_updates(params, updates)
      norms = [
        optax.tree.norm(tree) for tree in (params, state, data, grads, updates)
      ]
      return (params, state), (loss, norms)

    carry, statistics = jax.lax.scan(
      step, (params, optimizer.init(params)), batches
    )
    _, representation = model.apply(carry[0], draws.inputs)
    return representation, statistics

  return jax.vmap(fit_image)(pixels)
