"""Trainers of a small network on a tiny dataset."""

import pytest

from classifiers.data import find_split
from classifiers.training.config import TrainConfig
from classifiers.training.trainer import Trainer
from tests.classifiers.conftest import TINY

CONFIG = TrainConfig(epochs=3, batch_size=20)


@pytest.fixture
def trainer(tiny_dir):
  """A function that makes a trainer on the tiny dataset."""

  def make(config=CONFIG, inputs='image', split='train'):
    split = find_split(f'cifar10_linac/{TINY.name}', split, str(tiny_dir))
    return Trainer(config, split, inputs)

  return make
