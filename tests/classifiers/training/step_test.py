"""A step mixes inputs and targets, with another weight each time."""

import jax
import numpy as np

from classifiers.training.step import make_optimizer, mixup, take_step
from tests.classifiers.training.conftest import CONFIG


def test_mixup_mixes_inputs_and_targets_alike():
  targets = np.eye(4, dtype=np.float32)
  inputs = targets.reshape(4, 1, 1, 4)
  mixed, mixed_targets = mixup(jax.random.key(0), inputs, targets)
  np.testing.assert_allclose(mixed[:, 0, 0], mixed_targets)
  np.testing.assert_allclose(mixed_targets.sum(axis=1), 1, rtol=1e-6)
  weight = mixed_targets[0, 0]
  assert 0 < weight < 1
  np.testing.assert_allclose(mixed_targets[0, 3], 1 - weight, rtol=1e-6)


def test_each_step_mixes_by_another_weight(trainer):
  runner = trainer()
  state = runner.initial_state()
  (inputs, labels) = next(runner.split.batches('image', 20))
  losses = {
    float(
      take_step(
        state.replace(step=jax.numpy.int32(step)),
        inputs,
        labels,
        jax.random.key(0),
        runner.spec.network,
        make_optimizer(CONFIG, 15),
        CONFIG,
      )[1]
    )
    for step in range(3)
  }
  assert len(losses) == 3
