"""A trainer averages weights, and refuses datasets that it cannot use."""

import dataclasses

import numpy as np
import pytest

from classifiers.data import find_split
from classifiers.training.trainer import Trainer
from tests.classifiers.training.conftest import CONFIG


def test_averages_follow_the_weights(trainer):
  config = dataclasses.replace(CONFIG, batch_size=100, ema_decay=0.15)
  runner = trainer(config)
  state = runner.initial_state()
  ema = np.array(state.ema['params']['logits']['kernel'])
  for step in range(3):  # With this batch size, an epoch is one step.
    state, _ = runner.epoch(state)
    decay = min(0.15, (1 + step) / (10 + step))
    weights = np.array(state.variables['params']['logits']['kernel'])
    ema = decay * ema + (1 - decay) * weights
  np.testing.assert_allclose(
    state.ema['params']['logits']['kernel'], ema, rtol=1e-5, atol=1e-7
  )


def test_datasets_without_the_feature_or_a_batch_are_refused(tiny_dir, trainer):
  split = find_split('sample', 'train', str(tiny_dir))
  with pytest.raises(ValueError, match="no feature 'representation'"):
    Trainer(CONFIG, split, 'representation')
  with pytest.raises(ValueError, match='batch_size=101'):
    trainer(dataclasses.replace(CONFIG, batch_size=101))
