"""Projected and rounded images are in the ball, close to where they were."""

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from classifiers.attacks.balls import Ball

balls = st.builds(Ball, st.sampled_from(['linf', 'l2']), st.floats(1 / 255, 2))


def images_and_points(seed: int, scale: float):
  random = np.random.default_rng(seed)
  originals = random.integers(0, 256, (3, 4, 4, 3), np.uint8)
  # Many pixels are at the upper limit, where images are clipped.
  originals[random.random(originals.shape) < 0.3] = 255
  clean = originals / 255.0
  return originals, clean, clean + random.normal(0, scale, clean.shape)


@hypothesis.given(balls, st.integers(0, 99), st.floats(1e-3, 3))
def test_projections_and_roundings_are_within_the_ball(ball, seed, scale):
  originals, clean, points = images_and_points(seed, scale)
  inside = ball.project(points, clean)
  assert (ball.size(inside - clean) <= ball.epsilon * (1 + 1e-9)).all()
  assert inside.min() >= 0
  assert inside.max() <= 1
  rounded = ball.to_uint8(inside, originals)
  assert rounded.dtype == np.uint8
  deltas = (rounded.astype(float) - originals) / 255
  assert (ball.size(deltas) <= ball.epsilon * (1 + 1e-8)).all()


@pytest.mark.parametrize('norm', ['linf', 'l2'])
def test_points_within_stay_where_they_are(norm):
  originals, clean, _ = images_and_points(0, 0)
  near = np.where(originals > 127, originals - 2, originals + 2)
  ball = Ball(norm, 2.5 / 255 * (1 if norm == 'linf' else 48**0.5))
  np.testing.assert_allclose(ball.project(near / 255.0, clean), near / 255.0)
  np.testing.assert_array_equal(ball.to_uint8(near / 255.0, originals), near)


def test_eight_levels_of_255_are_within_8_255():
  originals = np.full((1, 2, 2, 1), 100, np.uint8)
  rounded = Ball('linf', 8 / 255).to_uint8(
    np.full((1, 2, 2, 1), 0.9), originals
  )
  np.testing.assert_array_equal(rounded, 108)


def test_a_perturbation_that_rounding_enlarges_is_scaled_down():
  originals = np.full((1, 4, 4, 3), 100, np.uint8)
  deltas = np.tile([1.6, 2.6], 24).reshape(originals.shape)
  ball = Ball('l2', np.linalg.norm(deltas) / 255)
  # Rounding alone would leave the ball.
  assert ball.size(np.rint(deltas)) > 255 * ball.epsilon
  rounded = ball.to_uint8((originals + deltas) / 255, originals)
  size = ball.size((rounded.astype(float) - originals) / 255)
  assert 0.9 * ball.epsilon < size <= ball.epsilon


def test_an_l2_projection_is_along_the_radius():
  clean = np.full((1, 2, 2, 1), 0.5)
  point = clean + np.array([3.0, 4.0, 0, 0]).reshape(1, 2, 2, 1)
  np.testing.assert_allclose(
    Ball('l2', 0.1).project(point, clean) - clean,
    np.array([0.06, 0.08, 0, 0]).reshape(1, 2, 2, 1),
    atol=1e-12,
  )


@pytest.mark.parametrize('norm', ['linf', 'l2'])
def test_random_starts_fill_the_ball(norm):
  clean = np.full((500, 2, 2, 1), 0.5)
  ball = Ball(norm, 0.1)
  starts = ball.random_start(clean, np.random.default_rng(0))
  sizes = ball.size(starts - clean)
  assert sizes.max() <= 0.1 * (1 + 1e-9)
  assert sizes.max() > 0.095
  np.testing.assert_allclose((starts - clean).mean(0), 0, atol=0.01)


@pytest.mark.parametrize(
  ('norm', 'epsilon'),
  [
    ('l1', 1),
    ('linf', 0),
    ('l2', -1),
    ('l2', float('nan')),
    ('l2', float('inf')),
    # These would change no pixel of an image of 8 bits.
    ('linf', 0.9 / 255),
    ('l2', 0.9 / 255),
  ],
)
def test_other_balls_are_refused(norm, epsilon):
  with pytest.raises(ValueError, match='must be'):
    Ball(norm, epsilon)
