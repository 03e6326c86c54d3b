"""Tests that any config and any images give a valid result or a clear error."""

import dataclasses
import re

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from linac_config.config import ACTIVATIONS, ARITHMETICS
from transforms import LinacConfig, encoding, linac

FIELDS = [field.name for field in dataclasses.fields(LinacConfig)]
WILD = (
  st.none()
  | st.booleans()
  | st.integers()
  | st.sampled_from([10**5000, -(10**5000), 2**63, object(), 1j, np.ones(2)])
  | st.floats()
  | st.text()
  | st.binary()
  | st.lists(st.floats() | st.text(), max_size=4)
  | st.sampled_from([np.float32(0.5), np.int8(3), np.bool_(True), np.ones(1)])
)


@given(st.dictionaries(st.sampled_from(FIELDS), WILD, min_size=1, max_size=3))
def test_any_fields_are_a_config_or_a_named_value(fields):
  try:
    config = LinacConfig(**fields)
  except ValueError as error:
    message = str(error)
    assert re.match(rf'({"|".join(FIELDS)})=', message)
  else:
    assert hash(config) == hash(dataclasses.replace(config))
    plain = {int, float, str, bool, tuple, type(None)}
    assert {type(value) for value in vars(config).values()} <= plain


DTYPES = ['uint8', 'int8', 'int64', 'bool', 'float16', 'float32', 'float64']


@given(
  arrays.arrays(
    st.sampled_from([*DTYPES, 'complex64', 'U1']),
    arrays.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4),
  ),
  st.sampled_from([None, (1e-38,), (0.5,) * 3, (1.0,) * 4]),
)
def test_any_images_are_pixels_or_a_named_value(images, constants):
  config = LinacConfig(mean=constants, std=constants)
  try:
    pixels = encoding.normalise(images, config)
  except ValueError as error:
    message = str(error)
    assert re.match(r'images |mean=', message)
  else:
    n, height, width, channels = images.shape
    assert pixels.shape == (n, height * width, channels)
    assert np.isfinite(pixels).all()


TINY = LinacConfig(
  num_layers=1,
  width=4,
  num_features=1,
  representation_layer=0,
  num_epochs=1,
  batch_size=2,
)


def make_config(**fields) -> LinacConfig:
  """Makes a tiny config, with XLA's arithmetic if it needs that."""
  if fields['activation'] != 'relu':
    fields['arithmetic'] = 'xla'
  return dataclasses.replace(TINY, **fields)


CONFIGS = st.builds(
  make_config,
  arithmetic=st.sampled_from(ARITHMETICS),
  num_layers=st.integers(1, 2),
  width=st.integers(1, 4),
  num_features=st.sampled_from([1, 64]),
  use_bias=st.booleans(),
  activation=st.sampled_from(ACTIVATIONS),
  representation_layer=st.integers(0, 1),
  batch_size=st.integers(1, 3),
  learning_rate=st.sampled_from([2.0**-126, 1e-3, 1e20, 2.0**127]),
  b1=st.sampled_from([0, 0.9, 1 - 2.0**-24]),
  b2=st.sampled_from([0, 0.99, 1 - 2.0**-24]),
  eps=st.sampled_from([2.0**-126, 1e-8, 2.0**127]),
  decay_alpha=st.sampled_from([0, 1e-4, 1]),
  precision=st.sampled_from(['float32', 'float64']),
)
IMAGES = st.integers(1, 4).flatmap(
  lambda channels: arrays.arrays(
    np.float32,
    (1, 2, 3, channels),
    elements=st.floats(width=32, allow_nan=False, allow_infinity=False),
  )
)


@hypothesis.settings(max_examples=15)  # Each example takes a compilation.
@given(CONFIGS, IMAGES)
def test_any_fit_is_valid_and_no_nan_is_silent(config, images):
  fit = linac(images, config)
  units = config.representation_channels(images.shape[-1])
  assert fit.representation.shape == (1, 2, 3, units)
  assert fit.reconstruction.shape == images.shape
  assert fit.losses.shape == (1, 6 // config.batch_size)
  assert fit.psnr.shape == (1,)
  arrays_of_fit = (fit.representation, fit.reconstruction, fit.losses)
  assert {array.dtype.name for array in arrays_of_fit} == {config.precision}
  if any(np.isnan(array).any() for array in arrays_of_fit):
    assert np.isnan(fit.psnr).all()


@pytest.mark.parametrize('precision', ['float32', 'float64'])
@pytest.mark.parametrize('value', [0, 128, 255])
def test_constant_images_are_fitted(value, precision):
  config = dataclasses.replace(TINY, precision=precision)
  fit = linac(np.full((1, 2, 2, 3), value, np.uint8), config)
  assert all(np.isfinite(array).all() for array in vars(fit).values())


def test_an_exact_reconstruction_has_a_finite_psnr():
  """The smallest learning rate does not change the network's parameters."""
  config = dataclasses.replace(TINY, learning_rate=2.0**-126)
  drawn = linac(np.zeros((1, 2, 2, 3), np.float32), config).reconstruction
  fit = linac(drawn, config)
  np.testing.assert_array_equal(fit.reconstruction, drawn)
  assert not fit.losses.any()
  np.testing.assert_allclose(fit.psnr, 3077, atol=1)


def test_an_image_that_diverges_leaves_its_neighbours_alone():
  config = dataclasses.replace(TINY, learning_rate=1.0)
  images = np.linspace(-1, 1, 24, dtype=np.float32).reshape(2, 2, 2, 3)
  beside = images.copy()
  beside[1] = 3e38
  fit = linac(beside, config, images_per_batch=2)
  alone = linac(images, config, images_per_batch=2)
  assert not np.isfinite(fit.losses[1]).any()
  np.testing.assert_array_equal(fit.representation[0], alone.representation[0])
