"""PGD finds the optimum on linear classifiers, where it is known."""

import jax.numpy as jnp
import numpy as np
import pytest

from classifiers.attacks.balls import Ball
from classifiers.attacks.objectives import margins, objective_of
from classifiers.attacks.pgd import pgd

SHAPE = (6, 4, 4, 3)
WEIGHTS = np.random.default_rng(1).normal(size=(48, 2)).astype(np.float32)
# The pixels are far from 0 and 1, so the images in the ball are not clipped.
IMAGES = 0.5 + 0.1 * np.random.default_rng(2).uniform(-1, 1, SHAPE)
LABELS = np.array([0, 1, 0, 1, 0, 1])


def linear(x):
  return x.reshape(len(x), -1) @ jnp.asarray(WEIGHTS)


@pytest.mark.parametrize('norm', ['linf', 'l2'])
def test_pgd_reaches_the_optimum_of_a_linear_classifier(norm):
  ball = Ball(norm, 0.05)
  random = np.random.default_rng(0)
  found = pgd(
    objective_of(linear),
    IMAGES,
    LABELS,
    ball,
    steps=20,
    restarts=1,
    random=random,
  )
  # The optimum is the dual norm of the margin's gradient, times the radius.
  gradient = (WEIGHTS[:, 1] - WEIGHTS[:, 0]) * np.where(LABELS, -1, 1)[:, None]
  dual = np.linalg.norm(gradient, ord=1 if norm == 'linf' else 2, axis=1)
  gains = margins(linear(found), LABELS) - margins(linear(IMAGES), LABELS)
  assert (ball.size(found - IMAGES) <= ball.epsilon * (1 + 1e-9)).all()
  np.testing.assert_allclose(gains, ball.epsilon * dual, rtol=1e-4)


def test_the_box_is_kept_where_the_optimum_is_outside():
  corner = np.zeros(SHAPE)
  found = pgd(
    objective_of(linear),
    corner,
    LABELS,
    Ball('linf', 0.1),
    steps=10,
    restarts=1,
    random=np.random.default_rng(0),
  )
  gradient = (WEIGHTS[:, 1] - WEIGHTS[:, 0]) * np.where(LABELS, -1, 1)[:, None]
  best = np.where(gradient > 0, 0.1, 0).reshape(SHAPE)
  np.testing.assert_allclose(found, best, atol=1e-9)


def test_the_best_image_met_is_kept():
  """The loss is highest at the original, so every step makes it worse."""

  def objective(x, labels):
    return -np.abs(x - IMAGES).sum(axis=(1, 2, 3)), np.ones_like(x)

  found = pgd(
    objective,
    IMAGES,
    LABELS,
    Ball('linf', 0.05),
    steps=5,
    restarts=2,
    random=np.random.default_rng(0),
  )
  np.testing.assert_array_equal(found, IMAGES)


@pytest.mark.parametrize('budget', [(0, 1), (1, 0)])
def test_attacks_without_a_budget_are_refused(budget):
  with pytest.raises(ValueError, match='must be positive'):
    pgd(objective_of(linear), IMAGES, LABELS, Ball('l2', 1), *budget, None)


def test_losses_that_are_not_finite_are_no_robustness():
  with pytest.raises(ValueError, match='step 0 of restart 0.*not finite'):
    pgd(
      objective_of(lambda x: linear(x) * jnp.inf),
      IMAGES,
      LABELS,
      Ball('linf', 0.1),
      steps=1,
      restarts=1,
      random=np.random.default_rng(0),
    )
