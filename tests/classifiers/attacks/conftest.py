"""An imitation of the tiny transform, which several modules test."""

import pytest

from classifiers.attacks.bypass import train_bypass
from classifiers.data import find_split
from tests.classifiers.conftest import TINY


@pytest.fixture(scope='session')
def trained(tiny_dir):
  """An imitation of the tiny transform."""
  return train_bypass(
    *(
      find_split(f'cifar10_linac/{TINY.name}', split, str(tiny_dir))
      for split in ('train', 'test')
    ),
    epochs=10,
    seed=0,
  )
