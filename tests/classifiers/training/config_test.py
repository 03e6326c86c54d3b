"""Settings of a training run that are out of range are refused."""

import dataclasses

import pytest

from classifiers.training.config import PRESETS


@pytest.mark.parametrize(
  'field',
  [
    {'epochs': 0},
    {'batch_size': -1},
    {'learning_rate': float('nan')},
    {'weight_decay': -1.0},
    {'ema_decay': 1.0},
    {'seed': 2**32},
  ],
)
def test_a_config_names_the_field_that_is_wrong(field):
  (name,) = field
  with pytest.raises(ValueError, match=f'{name}='):
    dataclasses.replace(PRESETS['cpu'], **field)
