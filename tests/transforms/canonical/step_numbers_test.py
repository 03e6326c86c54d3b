import dataclasses
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from tests.transforms import decimals
from transforms import LinacConfig
from transforms.canonical.step_numbers import constants, step_numbers

FLOAT64 = LinacConfig(precision='float64')


def expected(config: LinacConfig, steps: int) -> list[list[float]]:
  """Returns the numbers of each step in float64, by exact arithmetic."""
  rows = []
  lr, alpha = config.learning_rate, config.decay_alpha
  for t in range(1, steps + 1):
    cosine = float(decimals.cosine(decimals.pi(60) * (t - 1) / steps, 60))
    rows.append(
      [
        1 / (1 - float(Fraction(config.b1) ** t)),
        1 / (1 - float(Fraction(config.b2) ** t)),
        lr * ((1 - alpha) * 0.5 * (1 + cosine) + alpha),
      ]
    )
  return rows


@pytest.mark.parametrize('steps', [1, 2, 3, 64, 75])
@pytest.mark.parametrize(
  'fields',
  [
    {},
    {'b1': 0.999, 'b2': 0.9},
    {'b1': 0, 'b2': 0.5},
    {'b1': 1 - 2.0**-53, 'b2': 1 - 2.0**-27},
    {'b1': 2.0**-54, 'b2': 1e-300},
    {'decay_alpha': 0, 'learning_rate': 0.1},
    {'decay_alpha': 1, 'learning_rate': 0.3},
  ],
)
def test_numbers_are_those_of_exact_powers_and_cosines(fields, steps):
  config = dataclasses.replace(FLOAT64, **fields)
  assert step_numbers(config, steps).tolist() == expected(config, steps)


def test_float32_is_rounded_at_the_end():
  config = LinacConfig()
  numbers = step_numbers(config, 64)
  assert numbers.dtype == np.float32
  assert numbers.tolist() == np.float32(expected(config, 64)).tolist()


def test_the_first_and_the_last_steps_of_many():
  """The rate falls from the whole to almost the share that remains."""
  numbers = step_numbers(dataclasses.replace(FLOAT64, decay_alpha=0.5), 32_000)
  assert numbers[0].tolist() == [1 / (1 - 0.9), 1 / (1 - 0.99), 1e-3]
  assert numbers[-1, :2].tolist() == [1, 1]
  cosine = float(decimals.cosine(decimals.pi(60) * 31_999 / 32_000, 60))
  assert numbers[-1, 2] == 1e-3 * (0.5 * 0.5 * (1 + cosine) + 0.5)


@pytest.mark.parametrize('precision', ['float32', 'float64'])
def test_constants(precision):
  config = LinacConfig(b1=0.7, b2=0.97, batch_size=48, precision=precision)
  numbers = constants(config)
  assert numbers.dtype == precision
  exact = map(Decimal, (0.7, 1 - 0.7, 0.97, 1 - 0.97, 1e-8, 2 / 48, 48))
  for true, number in zip(exact, numbers.tolist(), strict=True):
    assert decimals.is_nearest(true, number, np.dtype(precision).type)
