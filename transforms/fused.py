"""A fit for GPUs that fuses Adam into the backward pass.

Plain XLA writes the gradient of every weight to memory and reads it again for
Adam. Here one kernel computes a tile of a gradient, which is a product over the
pixels of a step, and updates the same tile of the weights and their moments.
So the gradient never leaves the chip, which saves a fifth of the memory
traffic.

`linac` does not use this fit. The tests interpret the kernel on a CPU, where it
gives the reference's float64 bits; `python -m benchmarks.gpu` compares the
speed of the two fits on a GPU.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.experimental import pallas as pl
from jax.experimental.pallas import triton
from jaxtyping import Array, Float

from linac_config.config import LinacConfig

from . import inr
from .draws import AnyArray, Draws

_TILE = 64
_HIGHEST = jax.lax.Precision.HIGHEST


class _Adam(NamedTuple):
  """One parameter for all images, with its first and second moments."""

  value: Float[Array, 'n ...']
  mean: Float[Array, 'n ...']
  square: Float[Array, 'n ...']


def fused_fit(
  pixels: Float[AnyArray, 'n pixels channels'],
  draws: Draws,
  config: LinacConfig,
  interpret: bool = False,
) -> tuple[
  Float[Array, 'n pixels units'],
  Float[Array, 'n pixels channels'],
  Float[Array, 'n steps'],
]:
  """Fits all images at once, with the results of `fit`.

  Args:
    pixels: The normalised pixel values, row by row.
    draws: The result of `draw` for the same config.
    config: The transform.
    interpret: Whether to interpret the kernel, which a CPU needs.

  Returns:
    The representations, the reconstructions and the loss of each step.
  """
  dtype = jnp.dtype(config.precision)
  draws = jax.tree.map(jnp.asarray, draws)
  pixels = jnp.asarray(pixels, dtype)
  inputs = draws.inputs.astype(dtype)
  batches = draws.batches(config.batch_size)
  initial = inr.initial_params(draws, config, dtype)['params']
  start = jax.tree.map(
    lambda p: _start(p, len(pixels)),
    [initial[f'layer_{i}'] for i in range(config.num_layers + 1)],
  )

  def step(layers, batch_and_factors):
    batch, factors = batch_and_factors
    x = jnp.broadcast_to(
      inputs[batch], (len(pixels), len(batch), len(inputs[0]))
    )
    return _step(config, layers, x, pixels[:, batch], factors, interpret)

  factors = _adam_factors(config, len(batches), dtype)
  layers, losses = jax.lax.scan(step, start, (batches, factors))
  x = jnp.broadcast_to(inputs, (len(pixels), *inputs.shape))
  xs, _, outputs = _forward(config, layers, x)
  hidden = [*xs[1:], outputs]
  return hidden[config.representation_layer], outputs, losses.T


def _start(param, n: int) -> _Adam:
  value = jnp.broadcast_to(param, (n, *param.shape))
  return _Adam(value, jnp.zeros_like(value), jnp.zeros_like(value))


def _adam_factors(config: LinacConfig, steps: int, dtype):
  """Returns each step's factors of the first moment, second and update."""
  count = jnp.arange(steps)
  rate = optax.cosine_decay_schedule(
    config.learning_rate, steps, config.decay_alpha
  )
  with jax.numpy_dtype_promotion('standard'):
    factors = [
      1 / (1 - config.b1 ** (count + 1).astype(dtype)),
      1 / (1 - config.b2 ** (count + 1).astype(dtype)),
      rate(count).astype(dtype),
      # A fourth number, because the sizes of blocks must be powers of two.
      jnp.zeros(steps, dtype),
    ]
  return jnp.stack(factors, axis=-1)


def _forward(config: LinacConfig, layers, x):
  """Returns each layer's input, the activations' pullbacks and the outputs."""
  xs, pullbacks = [x], []
  for layer in layers[:-1]:
    x, pullback = jax.vjp(inr.ACTIVATIONS[config.activation], _dense(layer, x))
    xs.append(x)
    pullbacks.append(pullback)
  return xs, pullbacks, _dense(layers[-1], x)


def _dense(layer, x):
  y = jnp.matmul(x, layer['kernel'].value, precision=_HIGHEST)
  return y + layer['bias'].value[:, None] if 'bias' in layer else y


def _step(config: LinacConfig, layers, x, targets, factors, interpret: bool):
  """Does one optimisation step; returns the updated layers and the losses."""
  xs, pullbacks, outputs = _forward(config, layers, x)
  errors = outputs - targets
  delta = 2 / targets.shape[1] * errors
  updated = []
  for i in reversed(range(len(layers))):
    layer = layers[i]
    weights = layer['kernel'].value
    new = {
      'kernel': _update_kernel(
        config, layer['kernel'], xs[i], delta, factors, interpret
      )
    }
    if 'bias' in layer:
      new['bias'] = _adam(config, layer['bias'], delta.sum(axis=1), factors)
    updated.insert(0, new)
    if i:
      (delta,) = pullbacks[i - 1](
        jnp.einsum('nbm,nkm->nbk', delta, weights, precision=_HIGHEST)
      )
  return updated, jnp.mean(jnp.sum(jnp.square(errors), axis=-1), axis=-1)


def _adam(config: LinacConfig, param: _Adam, grad, factors) -> _Adam:
  """Updates a parameter by Adam: Kingma & Ba (2015), algorithm 1."""
  mean = (1 - config.b1) * grad + config.b1 * param.mean
  square = (1 - config.b2) * grad**2 + config.b2 * param.square
  update = mean * factors[0] / (jnp.sqrt(square * factors[1]) + config.eps)
  return _Adam(param.value - factors[2] * update, mean, square)


def _update_kernel(
  config: LinacConfig,
  param: _Adam,
  x: Float[Array, 'n pixels fan_in'],
  delta: Float[Array, 'n pixels fan_out'],
  factors: Float[Array, '4'],
  interpret: bool,
) -> _Adam:
  """Updates a layer's weights by Adam; their gradient is `x.T @ delta`."""
  n, fan_in, fan_out = param.value.shape
  batch = x.shape[1]
  # The kernel takes neither layers that tiles do not divide nor batches that
  # are no power of two.
  if fan_in % _TILE or fan_out % _TILE or batch & (batch - 1):
    grad = jnp.einsum('nbk,nbm->nkm', x, delta, precision=_HIGHEST)
    return _adam(config, param, grad, factors)
  tile = pl.BlockSpec((None, _TILE, _TILE), lambda i, k, m: (i, k, m))
  return _Adam(
    *pl.pallas_call(
      functools.partial(_tile_kernel, config),
      out_shape=[jax.ShapeDtypeStruct(a.shape, a.dtype) for a in param],
      grid=(n, fan_in // _TILE, fan_out // _TILE),
      in_specs=[
        pl.BlockSpec((4,), lambda i, k, m: (0,)),
        pl.BlockSpec((None, batch, _TILE), lambda i, k, m: (i, 0, k)),
        pl.BlockSpec((None, batch, _TILE), lambda i, k, m: (i, 0, m)),
        *[tile] * 3,
      ],
      out_specs=[tile] * 3,
      input_output_aliases={3: 0, 4: 1, 5: 2},
      compiler_params=triton.CompilerParams(num_warps=4),
      interpret=interpret,
    )(factors, x, delta, *param)
  )


def _tile_kernel(config: LinacConfig, factors, x, delta, *refs):
  """Computes the gradient of one tile of an image's weights and updates it."""
  grad = jax.lax.dot_general(
    x[...], delta[...], (((0,), (0,)), ((), ())), precision=_HIGHEST
  )
  param = _Adam(*(ref[...] for ref in refs[:3]))
  new = _adam(config, param, grad, [factors[i] for i in range(3)])
  for ref, value in zip(refs[3:], new, strict=True):
    ref[...] = value
