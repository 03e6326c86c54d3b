"""Projected gradient ascent (PGD), for any differentiable objective.

The attack is that of Madry et al., "Towards deep learning models resistant to
adversarial attacks" (2018). Each step goes along the steepest direction, and
all steps of a restart together are 2.5 radii long. The first restart begins at
the original image, the others at random points of the ball.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Int

from classifiers.attacks.balls import Ball, Images
from classifiers.attacks.objectives import Objective


def pgd(
  objective: Objective,
  originals: Images,
  labels: Int[np.ndarray, 'n'],
  ball: Ball,
  steps: int,
  restarts: int,
  random: np.random.Generator,
) -> Images:
  """Searches the ball around each image for the image with the highest loss.

  Args:
    objective: The loss to increase. It is evaluated `restarts * (steps + 1)`
      times.
    originals: The original images, in [0, 1].
    labels: The right classes.
    ball: The perturbations that are allowed.
    steps: The number of steps in each restart.
    restarts: The number of searches, at least 1.
    random: The generator that draws the starting points.

  Returns:
    The images with the highest loss that were found, in [0, 1].

  Raises:
    ValueError: If `steps` or `restarts` is less than 1, or a loss or gradient
      is not finite.
  """
  if steps < 1 or restarts < 1:
    raise ValueError(f'steps={steps} and restarts={restarts} must be positive.')
  best = np.array(originals, np.float64)
  highest = np.full(len(originals), -np.inf)
  for restart in range(restarts):
    x = ball.random_start(originals, random) if restart else originals
    for step in range(steps + 1):
      losses, gradients = (np.asarray(a) for a in objective(x, labels))
      if not (np.isfinite(losses).all() and np.isfinite(gradients).all()):
        # The search would end at the originals, which looks like robustness.
        raise ValueError(
          f'In step {step} of restart {restart}, losses or gradients of the '
          'attack are not finite. Attack with the gradients of a classifier '
          'whose logits are finite.'
        )
      better = losses > highest
      best[better], highest[better] = x[better], losses[better]
      if step < steps:
        directions = ball.steepest(gradients.astype(np.float64))
        x = x + 2.5 * ball.epsilon / steps * directions
        x = ball.project(x, originals)
  return best
