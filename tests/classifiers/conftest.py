"""Classifiers without training, for tests of what is around them."""

import flax
import numpy as np
import pytest

from classifiers import Model, ModelSpec


@pytest.fixture
def random_model():
  """A function that makes a WideResNet-10-1 of random numbers."""

  def make(in_channels: int, inputs='image', config_name='seed_1') -> Model:
    spec = ModelSpec(10, 1, in_channels, 10, inputs, config_name)
    random = np.random.default_rng(0)
    variables = {
      path: np.ones(struct.shape, np.float32)
      if path.endswith(('scale', 'var'))
      else random.normal(0, 0.1, struct.shape).astype(np.float32)
      for path, struct in spec.shapes().items()
    }
    return Model(spec, flax.traverse_util.unflatten_dict(variables, sep='/'))

  return make
