"""Projected gradient ascent, for any differentiable way through a classifier.

Madry et al., "Towards deep learning models resistant to adversarial attacks"
(2018): steps of 2.5 radii over all steps along the steepest direction, from the
original first and then from random points of the ball. The loss is the margin,
which does not saturate where the cross-entropy of a confident network does
(Carlini and Wagner, 2017).
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from classifiers.attacks.balls import Ball, Images

# (x, labels) -> the loss of each image, and its gradient.
Objective = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def margins(
  logits: Float[Array, 'n classes'], labels: Int[Array, 'n']
) -> Float[Array, 'n']:
  """By how much another class exceeds the right one: positive if fooled."""
  right = jax.nn.one_hot(labels, logits.shape[1], dtype=bool)
  others = jnp.where(right, -jnp.inf, logits).max(axis=1)
  return others - jnp.where(right, logits, -jnp.inf).max(axis=1)


def objective_of(logits_of: Callable[[Array], Array]) -> Objective:
  """The margin and its gradient, of images in [0, 1], by way of `logits_of`."""

  @jax.jit
  def objective(x, labels):
    def total(x):
      losses = margins(logits_of(x), labels)
      return losses.sum(), losses

    (_, losses), gradients = jax.value_and_grad(total, has_aux=True)(x)
    return losses, gradients

  return lambda x, labels: objective(x.astype(np.float32), labels)


def pgd(
  objective: Objective,
  originals: Images,
  labels: Int[np.ndarray, 'n'],
  ball: Ball,
  steps: int,
  restarts: int,
  random: np.random.Generator,
) -> Images:
  """Looks for the image of the highest loss in each ball.

  Args:
    objective: what to ascend; called `restarts * (steps + 1)` times.
    originals: in [0, 1].
    labels: the right classes.
    ball: around the originals.
    steps: of each restart.
    restarts: runs; the first starts at the originals, the others at random.
    random: draws the starts.

  Returns:
    The best images met, in [0, 1].

  Raises:
    ValueError: unless there is a step and a restart.
  """
  if steps < 1 or restarts < 1:
    raise ValueError(f'steps={steps} and restarts={restarts} must be positive.')
  best = np.array(originals, np.float64)
  highest = np.full(len(originals), -np.inf)
  for restart in range(restarts):
    x = ball.random_start(originals, random) if restart else originals
    for step in range(steps + 1):
      losses, gradients = (np.asarray(a) for a in objective(x, labels))
      better = losses > highest
      best[better], highest[better] = x[better], losses[better]
      if step < steps:
        directions = ball.steepest(gradients.astype(np.float64))
        x = x + 2.5 * ball.epsilon / steps * directions
        x = ball.project(x, originals)
  return best
