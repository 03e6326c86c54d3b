"""Tests that the fused fit, with its kernel interpreted, equals `fit`."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from transforms import LinacConfig, draw, encoding, fit
from transforms.fused import fused_fit

SHAPE = (8, 16, 3)


@pytest.mark.parametrize(
  'fields',
  [
    {},
    {'width': 64, 'use_bias': False, 'activation': 'silu'},
    # The kernel takes no layer of this width.
    {'width': 24, 'representation_layer': 3},
  ],
)
def test_float64_equals_the_reference(fields):
  config = LinacConfig(
    **{'num_layers': 3, 'width': 128, 'num_epochs': 2, 'batch_size': 16}
    | {'precision': 'float64', 'arithmetic': 'xla', 'seed': 7}
    | fields
  )
  images = np.random.default_rng(0).integers(0, 256, (3, *SHAPE), np.uint8)
  pixels, draws = encoding.normalise(images, config), draw(config, SHAPE)
  with jax.enable_x64(True):
    expected = fit(pixels, draws, config)
    fused = jax.jit(
      functools.partial(fused_fit, config=config, interpret=True)
    )(pixels, draws)
  for actual, reference in zip(fused, expected, strict=True):
    np.testing.assert_allclose(actual, reference, rtol=1e-10, atol=1e-12)
  np.testing.assert_array_equal(
    np.asarray(fused[0]).astype(np.float16),
    np.asarray(expected[0]).astype(np.float16),
  )


@pytest.mark.parametrize('precision', ['float32', 'float64'])
def test_it_can_be_lowered_for_a_gpu(precision):
  config = LinacConfig(precision=precision)
  draws = draw(config, (32, 32, 3))
  program = jax.jit(lambda pixels: fused_fit(pixels, draws, config))
  with jax.enable_x64(precision == 'float64'):
    traced = program.trace(jnp.zeros((2, 1024, 3)))
    lowered = traced.lower(lowering_platforms=('cuda',))
  # Each of the four square layers has a kernel.
  assert lowered.as_text().count('custom_call @__gpu$xla.gpu.triton') == 4
