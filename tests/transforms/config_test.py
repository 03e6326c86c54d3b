import dataclasses
import math

import numpy as np
import pytest

from transforms import LinacConfig


def test_defaults_are_the_papers():
  assert dataclasses.asdict(LinacConfig()) == {
    'seed': -2314326399425823309,
    'key_derivation': 'published',
    'num_layers': 5,
    'width': 256,
    'num_features': 5,
    'use_bias': True,
    'activation': 'relu',
    'representation_layer': 2,
    'num_epochs': 10,
    'batch_size': 32,
    'learning_rate': 1e-3,
    'b1': 0.9,
    'b2': 0.99,
    'eps': 1e-8,
    'decay_alpha': 1e-4,
    'precision': 'float32',
    'mean': (0.4914, 0.4822, 0.4465),
    'std': (0.2471, 0.2435, 0.2616),
  }


def test_equal_values_make_equal_configs():
  config = LinacConfig(seed=np.int64(7), learning_rate=1, mean=[0.5], std=0.5)
  assert config == LinacConfig(
    seed=7, learning_rate=1.0, mean=(0.5,), std=(0.5,)
  )
  assert hash(config) == hash(dataclasses.replace(config))


@pytest.mark.parametrize(
  ('field', 'value'),
  [
    ('seed', 2**63),
    ('seed', -(2**63) - 1),
    ('seed', 1.5),
    ('seed', '7'),
    ('seed', True),
    ('key_derivation', 'other'),
    ('num_layers', 0),
    ('width', 0),
    ('num_features', 0),
    ('use_bias', 1),
    ('activation', 'rely'),
    ('representation_layer', -1),
    ('representation_layer', 6),
    ('num_epochs', 0),
    ('batch_size', 0),
    ('learning_rate', 0),
    ('learning_rate', math.nan),
    ('learning_rate', 10**400),
    ('b1', 1),
    ('b2', -0.1),
    ('eps', 0),
    ('decay_alpha', 2),
    ('decay_alpha', '1'),
    ('precision', 'float16'),
    ('mean', (math.inf,)),
    ('mean', ()),
    ('mean', object()),
    ('std', (0.0,)),
  ],
)
def test_a_bad_value_is_named(field, value):
  with pytest.raises(ValueError, match=field):
    LinacConfig(**{field: value})


@pytest.mark.parametrize('seed', [-(2**63), 0, 2**63 - 1])
def test_all_64_bit_seeds_are_valid(seed):
  assert LinacConfig(seed=seed).seed == seed


def test_steps_and_channels():
  config = LinacConfig(num_epochs=3, batch_size=16)
  assert config.num_steps(64) == 12
  with pytest.raises(ValueError, match='batch_size=16 does not divide the 63'):
    config.num_steps(63)
  assert config.representation_channels(3) == 256
  reconstruction = dataclasses.replace(config, representation_layer=5)
  assert reconstruction.representation_channels(3) == 3
