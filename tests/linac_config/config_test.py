import dataclasses
import math

import numpy as np
import pytest

from linac_config.config import ARITHMETICS, PRECISIONS
from linac_config.reproducibility import promise
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
    'arithmetic': 'canonical',
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
    ('num_layers', 101),
    ('width', 0),
    ('width', 2**15),
    ('num_features', 0),
    ('num_features', 65),
    ('use_bias', 1),
    ('activation', 'rely'),
    ('activation', np.array(['relu', 'tanh'])),
    ('representation_layer', -1),
    ('representation_layer', 6),
    ('num_epochs', 0),
    ('num_epochs', 2**21),
    ('batch_size', 0),
    ('learning_rate', 0),
    ('learning_rate', math.nan),
    ('learning_rate', 10**400),
    ('learning_rate', 1e39),
    ('learning_rate', b'1'),
    ('learning_rate', np.ones(1)),
    ('b1', 1),
    ('b1', 1 - 2**-25),
    ('b2', -0.1),
    ('b2', 1 - 2**-25),
    ('eps', 0),
    ('eps', 1e-39),
    ('decay_alpha', 2),
    ('decay_alpha', '1'),
    ('precision', 'float16'),
    ('arithmetic', 'exact'),
    ('mean', (math.inf,)),
    ('mean', ()),
    ('mean', object()),
    ('mean', (0.5, 125.3)),
    ('mean', -0.1),
    ('std', (0.0,)),
    ('std', (63.0, 0.5)),
    ('std', 1e-39),
  ],
)
def test_a_bad_value_is_named(field, value):
  with pytest.raises(ValueError, match=f'{field}='):
    LinacConfig(**{field: value})


@pytest.mark.parametrize(
  'field', [f.name for f in dataclasses.fields(LinacConfig)]
)
def test_an_integer_too_long_to_print_is_named(field):
  with pytest.raises(ValueError, match=f'{field}='):
    LinacConfig(**{field: 10**5000})


@pytest.mark.parametrize('field', ['b1', 'b2', 'eps', 'learning_rate'])
def test_float64_has_wider_ranges(field):
  value = 1 - 2**-53 if field in ('b1', 'b2') else 1e-300
  LinacConfig(**{field: value}, precision='float64')
  with pytest.raises(ValueError, match=f'{field}=.* float32'):
    LinacConfig(**{field: value})


def test_only_relu_has_canonical_arithmetic():
  LinacConfig(arithmetic='canonical', activation='relu')
  LinacConfig(arithmetic='xla', activation='tanh')
  with pytest.raises(
    ValueError, match="activation='tanh' .* pass arithmetic='xla'"
  ):
    LinacConfig(arithmetic='canonical', activation='tanh')


def test_every_config_makes_a_promise():
  promises = {
    promise(LinacConfig(arithmetic=arithmetic, precision=precision))
    for arithmetic in ARITHMETICS
    for precision in PRECISIONS
  }
  # Canonical arithmetic promises the same in either precision.
  assert len(promises) == 3


@pytest.mark.parametrize('seed', [-(2**63), 0, 2**63 - 1])
def test_all_64_bit_seeds_are_valid(seed):
  assert LinacConfig(seed=seed).seed == seed


def test_steps_and_channels():
  config = LinacConfig(num_epochs=3, batch_size=16)
  assert config.num_steps(64) == 12
  with pytest.raises(ValueError, match='batch_size=16 does not divide the 63'):
    config.num_steps(63)
  with pytest.raises(ValueError, match='num_epochs=3 .* at most 1'):
    config.num_steps(2**27 + 2**20)
  assert config.representation_channels(3) == 256
  reconstruction = dataclasses.replace(config, representation_layer=5)
  assert reconstruction.representation_channels(3) == 3
