"""Square fools linear classifiers whose decision boundary is known."""

import numpy as np
import pytest

from classifiers.attacks import square as square_module
from classifiers.attacks.balls import Ball
from classifiers.attacks.square import square

IMAGES = np.random.default_rng(0).integers(90, 160, (8, 8, 8, 3), np.uint8)
# The weights are constant over large areas, so squares can follow them.
WEIGHTS = np.zeros((8, 8, 3))
WEIGHTS[:4], WEIGHTS[4:] = 1, -1


class Linear:
  """A linear classifier with two classes.

  A perturbation of `distance` radii of the ball is needed to fool it.
  """

  def __init__(self, ball: Ball, distance: float):
    dual = (
      np.abs(WEIGHTS).sum() if ball.norm == 'linf' else np.linalg.norm(WEIGHTS)
    )
    self.threshold = (IMAGES / 255.0 * WEIGHTS).sum((1, 2, 3))
    self.threshold += ball.epsilon * dual * distance
    self.images = []

  def __call__(self, images):
    self.images.append(images)
    scores = (images / 255.0 * WEIGHTS).sum((1, 2, 3))
    # Each query is a changed version of the nearest original.
    nearest = (
      np.abs(images[:, None].astype(int) - IMAGES).sum((2, 3, 4)).argmin(1)
    )
    return np.stack([0 * scores, scores - self.threshold[nearest]], axis=1)


@pytest.mark.parametrize(
  ('ball', 'distance'), [(Ball('linf', 8 / 255), 0.5), (Ball('l2', 0.5), 0.35)]
)
def test_square_fools_a_linear_classifier_within_reach(ball, distance):
  classifier = Linear(ball, distance)
  labels = np.zeros(len(IMAGES), int)
  result = square(
    classifier, IMAGES, labels, ball, 400, np.random.default_rng(0)
  )
  assert result.fooled.all()
  assert (classifier(result.images).argmax(1) == 1).all()


@pytest.mark.parametrize('ball', [Ball('linf', 8 / 255), Ball('l2', 0.5)])
def test_every_query_is_an_8_bit_image_in_the_ball(ball):
  # The boundary is outside the ball, so all queries are made.
  classifier = Linear(ball, distance=1.5)
  labels = np.zeros(len(IMAGES), int)
  result = square(
    classifier, IMAGES, labels, ball, 30, np.random.default_rng(0)
  )
  assert not result.fooled.any()
  assert len(classifier.images) == 30
  assert result.queries == 30 * len(IMAGES)
  for images in classifier.images:
    assert images.dtype == np.uint8
    deltas = (images.astype(float) - IMAGES) / 255
    assert (ball.size(deltas) <= ball.epsilon * (1 + 1e-8)).all()


def test_images_that_are_fooled_cost_no_more_queries():
  ball = Ball('linf', 8 / 255)
  # Every image in the ball is misclassified.
  classifier = Linear(ball, distance=-2)
  labels = np.zeros(len(IMAGES), int)
  result = square(
    classifier, IMAGES, labels, ball, 50, np.random.default_rng(0)
  )
  assert result.queries == len(IMAGES)


def test_squares_shrink_as_in_the_paper():
  shape = (1, 32, 32, 3)
  sides = [
    square_module._side(query, 10_000, 'linf', shape)
    for query in (1, 11, 51, 201, 501, 1001, 2001, 4001, 6001, 8001)
  ]
  # The first square covers 5 % of 1,024 pixels, and each next one half of that.
  areas = [0.05 * 1024 * 0.5**i for i in range(10)]
  assert sides == [max(round(area**0.5), 1) for area in areas]
  assert square_module._side(9_000, 10_000, 'l2', shape) == 3


def test_l2_proposals_use_the_whole_ball():
  random = np.random.default_rng(0)
  delta = square_module._tiles((32, 32, 3), 0.5, random)
  assert np.linalg.norm(delta) == pytest.approx(0.5)
  for _ in range(20):
    new = square_module._l2_square(delta, 9, 0.5, random)
    assert np.linalg.norm(new) == pytest.approx(0.5)
    changed = ~np.isclose(new, delta).all(axis=2)
    assert 0 < changed.sum() <= 2 * 81
    delta = new


def test_a_square_without_queries_is_refused():
  with pytest.raises(ValueError, match='queries=0'):
    square(None, IMAGES, np.zeros(8), Ball('l2', 1), 0, None)
