"""Compares the speed of `xla_fit` on a CPU core with other ways to write it.

  python -m benchmarks.variants

All variants run in one process on one core, in turn with one another and with
matrix products. The column `ratio` is the speed relative to that of `xla_fit`,
as the median over turns.
"""

from __future__ import annotations

import functools
import json
import os
import statistics
import time

import jax
import jax.numpy as jnp
import numpy as np
import optax

from benchmarks.machine import gemm_flops
from transforms import LinacConfig, draw, encoding
from transforms.xla_fit import xla_fit

SHAPE = (32, 32, 3)
IMAGES = 2
ROUNDS = 15
_HIGHEST = jax.lax.Precision.HIGHEST

# The options of XLA with which `linac` compiles `xla_fit`.
_WIDE = {'xla_cpu_prefer_vector_width': 512}
# The name, XLA's options and the arguments of `variant`, which are None for
# `xla_fit` itself.
VARIANTS = (
  ('xla_fit', _WIDE, None),
  ('xla_fit, vectors of 256 bits', {}, None),
  ('xla_fit, fast math', _WIDE | {'xla_cpu_enable_fast_math': True}, None),
  ('plain JAX, Adam by hand', _WIDE, {}),
  ('  one step an iteration', _WIDE, {'unroll': 1}),
  ('  four steps', _WIDE, {'unroll': 4}),
  ('  Adam on one flat vector', _WIDE, {'flat': True}),
  ('  bias folded into weights', _WIDE, {'folded': True}),
  ('  weights transposed', _WIDE, {'transposed': True}),
  ('  batches gathered before', _WIDE, {'gathered': True}),
)


def variant(
  pixels,
  draws,
  config,
  flat=False,
  folded=False,
  transposed=False,
  unroll=2,
  gathered=False,
):
  """Fits images like `xla_fit`, but in plain JAX and with one change or more.

  Args:
    pixels: The normalised pixel values, row by row.
    draws: The draws for the config.
    config: The transform.
    flat: Whether Adam updates one flat vector of all parameters.
    folded: Whether biases are a row of the weights.
    transposed: Whether weights are stored transposed.
    unroll: The number of steps in an iteration of the loop.
    gathered: Whether all batches are gathered before the loop.
  """
  inputs = jnp.asarray(draws.inputs)
  batches = jnp.asarray(draws.batches(config.batch_size))
  layers = [(jnp.asarray(w), jnp.zeros(w.shape[1])) for w in draws.weights]
  if folded:
    layers = [(jnp.concatenate([w, b[None]]),) for w, b in layers]
  if transposed:
    layers = [(w.T, b) for w, b in layers]
  unflatten = None
  if flat:
    layers, unflatten = jax.flatten_util.ravel_pytree(layers)
  rate = optax.cosine_decay_schedule(
    config.learning_rate, len(batches), config.decay_alpha
  )

  def dense(x, w, b=None):
    if b is None:
      x = jnp.concatenate([x, jnp.ones((len(x), 1))], axis=1)
    y = jnp.matmul(x, w.T if transposed else w, precision=_HIGHEST)
    return y if b is None else y + b

  def apply(layers, x):
    hidden = []
    for layer in unflatten(layers) if flat else layers:
      hidden.append(dense(jax.nn.relu(hidden[-1]) if hidden else x, *layer))
    return hidden

  def loss_fn(layers, x, y):
    return jnp.mean(jnp.sum(jnp.square(apply(layers, x)[-1] - y), axis=-1))

  def fit_image(targets):
    def step(carry, step_and_batch):
      i, batch = step_and_batch
      x, y = batch if gathered else (inputs[batch], targets[batch])
      params, mean, square = carry
      loss, grads = jax.value_and_grad(loss_fn)(params, x, y)
      mean = jax.tree.map(
        lambda m, g: config.b1 * m + (1 - config.b1) * g, mean, grads
      )
      square = jax.tree.map(
        lambda v, g: config.b2 * v + (1 - config.b2) * g * g, square, grads
      )
      count = i.astype(jnp.float32) + 1
      scale = rate(i) / (1 - config.b1**count)
      correction = 1 / (1 - config.b2**count)
      params = jax.tree.map(
        lambda p, m, v: p - scale * m / (jnp.sqrt(v * correction) + config.eps),
        params,
        mean,
        square,
      )
      return (params, mean, square), loss

    zeros = jax.tree.map(jnp.zeros_like, layers)
    data = (inputs[batches], targets[batches]) if gathered else batches
    (params, _, _), losses = jax.lax.scan(
      step,
      (layers, zeros, zeros),
      (jnp.arange(len(batches)), data),
      unroll=unroll,
    )
    hidden = apply(params, inputs)
    representation = jax.nn.relu(hidden[config.representation_layer])
    return representation, hidden[-1], losses

  return jax.lax.map(fit_image, pixels)


def compile_all(config: LinacConfig) -> dict:
  """Returns the compiled programs by name."""
  return {
    name: jax.jit(
      functools.partial(
        xla_fit
        if arguments is None
        else functools.partial(variant, **arguments),
        config=config,
      ),
      compiler_options=options,
    )
    for name, options, arguments in VARIANTS
  }


def main() -> None:
  os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
  config = LinacConfig(arithmetic='xla')
  images = np.random.default_rng(0).integers(0, 256, (IMAGES, *SHAPE), np.uint8)
  pixels, draws = encoding.normalise(images, config), draw(config, SHAPE)
  programs = compile_all(config)
  for program in programs.values():
    jax.block_until_ready(program(pixels, draws))
  seconds, gemms = {name: [] for name in programs}, []
  for _ in range(ROUNDS):
    for name, program in programs.items():
      start = time.perf_counter()
      jax.block_until_ready(program(pixels, draws))
      seconds[name].append(time.perf_counter() - start)
    gemms.append(gemm_flops('float32', seconds=0.3))
  gemm = statistics.median(gemms)
  print('variant                       images/s  of gemm  ratio')
  rows = []
  for name, times in seconds.items():
    rate = IMAGES / statistics.median(times)
    ratio = statistics.median(
      a / b for a, b in zip(seconds['xla_fit'], times, strict=True)
    )
    share = rate * config.flops(SHAPE) / gemm
    print(f'{name:30}{rate:8.2f}{share:9.0%}{ratio:7.2f}')
    rows.append(
      (name.strip(), round(rate, 2), round(share, 3), round(ratio, 3))
    )
  print(json.dumps({'benchmark': 'variants', 'rows': rows}))


if __name__ == '__main__':
  main()
