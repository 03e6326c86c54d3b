"""The Square attack, a random search that needs logits but no gradients.

It is the attack of Andriushchenko et al., "Square Attack" (ECCV 2020). Each
query changes a random square of the image, and the change is kept if it
increases the margin. The squares shrink on a fixed schedule. Every query is an
8-bit image in the ball, because that is what a deployed classifier accepts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Int, UInt8

from classifiers.attacks.balls import Ball
from classifiers.attacks.objectives import margins

# In a search with 10,000 queries, the area of the squares is halved at these.
_HALVINGS = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
# The first squares cover these fractions of the image (table 5 of the paper).
_FIRST_FRACTION = {'linf': 0.05, 'l2': 0.1}


@dataclasses.dataclass(frozen=True)
class SquareResult:
  """The result of a search.

  Attributes:
    images: The images with the largest margins that were found.
    fooled: Whether the classifier misclassifies each of these images.
    queries: The total number of images that the classifier was given.
  """

  images: UInt8[np.ndarray, 'n height width channels']
  fooled: Bool[np.ndarray, 'n']
  queries: int


def square(
  classifier: Callable[[np.ndarray], np.ndarray],
  originals: UInt8[np.ndarray, 'n height width channels'],
  labels: Int[np.ndarray, 'n'],
  ball: Ball,
  queries: int,
  random: np.random.Generator,
) -> SquareResult:
  """Searches the ball around each image for one that is misclassified.

  Args:
    classifier: A function from uint8 images to logits.
    originals: The original images.
    labels: The right classes.
    ball: The perturbations that are allowed.
    queries: The largest number of queries for each image. The search for an
      image ends as soon as it is misclassified.
    random: The generator that draws the squares.

  Raises:
    ValueError: If `queries` is less than 1.
  """
  if queries < 1:
    raise ValueError(f'queries={queries} must be positive.')
  ask = lambda x, labels: np.array(margins(classifier(x), labels))  # noqa: E731
  propose = {'linf': _linf_square, 'l2': _l2_square}[ball.norm]
  first = {'linf': _stripes, 'l2': _tiles}[ball.norm]
  clean = originals / 255.0
  best = ball.to_uint8(
    ball.project(
      np.stack([x + first(x.shape, ball.epsilon, random) for x in clean]), clean
    ),
    originals,
  )
  margin, asked = ask(best, labels), len(best)
  for query in range(1, queries):
    active = np.flatnonzero(margin <= 0)
    if not active.size:
      break
    size = _side(query, queries, ball.norm, originals.shape)
    deltas = best[active] / 255.0 - clean[active]
    new = np.stack([propose(d, size, ball.epsilon, random) for d in deltas])
    candidates = ball.to_uint8(
      ball.project(clean[active] + new, clean[active]), originals[active]
    )
    found, asked = ask(candidates, labels[active]), asked + len(active)
    kept = found > margin[active]
    best[active[kept]] = candidates[kept]
    margin[active[kept]] = found[kept]
  return SquareResult(best, margin > 0, asked)


def _side(query: int, queries: int, norm: str, shape) -> int:
  """Returns the side of a query's square, on the schedule of the paper."""
  halvings = sum(query * 10_000 > queries * at for at in _HALVINGS)
  area = _FIRST_FRACTION[norm] * 0.5**halvings * shape[1] * shape[2]
  side = max(round(area**0.5), 1)
  if norm == 'l2':
    side = max(side, 3)  # A smaller square has no room for a bump.
  return min(side, shape[1], shape[2])


def _stripes(shape, epsilon: float, random) -> np.ndarray:
  """Returns a perturbation of columns, whose signs are random."""
  return epsilon * random.choice([-1.0, 1.0], (1, *shape[1:]))


def _linf_square(delta, size: int, epsilon: float, random) -> np.ndarray:
  """Sets one square of a perturbation to +epsilon or -epsilon per channel."""
  rows, columns = _window(delta.shape, size, random)
  new = delta.copy()
  new[rows, columns] = epsilon * random.choice([-1.0, 1.0], delta.shape[2])
  return new


def _tiles(shape, epsilon: float, random) -> np.ndarray:
  """Returns a perturbation of norm `epsilon` that is tiled with bumps."""
  size = max(min(shape[:2]) // 5, 3)
  delta = np.zeros(shape)
  for row in range(0, shape[0] - size + 1, size):
    for column in range(0, shape[1] - size + 1, size):
      signs = random.choice([-1.0, 1.0], shape[2])
      delta[row : row + size, column : column + size] = (
        _bump(size, random)[..., None] * signs
      )
  return delta * epsilon / np.linalg.norm(delta)


def _l2_square(delta, size: int, epsilon: float, random) -> np.ndarray:
  """Moves the mass of a perturbation from one window to another.

  This is algorithm 3 of the paper. The first window receives the mass of both
  windows and what is left of the ball. Its new direction is the sum of its old
  direction and a bump.
  """
  rows, columns = _window(delta.shape, size, random)
  other_rows, other_columns = _window(delta.shape, size, random)
  taken = np.zeros(delta.shape[:2], bool)
  taken[rows, columns] = taken[other_rows, other_columns] = True
  mass = np.sum(delta[taken] ** 2, axis=0)
  unused = max(epsilon**2 - np.sum(delta**2), 0) / delta.shape[2]

  old = delta[rows, columns]
  norms = np.sqrt(np.sum(old**2, axis=(0, 1)))
  signs = random.choice([-1.0, 1.0], delta.shape[2])
  window = _bump(size, random)[..., None] * signs + old / (norms + 1e-12)
  window /= np.sqrt(np.sum(window**2, axis=(0, 1))) + 1e-12
  new = delta.copy()
  new[other_rows, other_columns] = 0
  new[rows, columns] = window * np.sqrt(mass + unused)
  return new * epsilon / max(np.linalg.norm(new), 1e-12)


def _bump(size: int, random) -> np.ndarray:
  """Returns a square of norm 1 with a positive half and a negative half.

  Each half is largest at its centre. The halves lie above each other or side by
  side, at random.
  """
  half = size // 2
  bump = np.concatenate([_rings(half, size), -_rings(size - half, size)])
  bump /= np.linalg.norm(bump)
  return bump.T if random.random() < 0.5 else bump


def _rings(height: int, width: int) -> np.ndarray:
  """Returns a rectangle of norm 1 whose values fall from centre to edges.

  This is equation 2 of the paper: the centre is surrounded by rectangles of
  growing radius k, and a pixel is the sum of 1 / (k + 1)**2 over those that
  contain it.
  """
  row, column = np.ogrid[:height, :width]
  distance = np.maximum(abs(row - height // 2), abs(column - width // 2))
  weights = 1.0 / (1 + np.arange(distance.max() + 1)) ** 2
  # A pixel is in the rectangles whose radius is at least its distance.
  rings = np.cumsum(weights[::-1])[::-1][distance]
  return rings / np.linalg.norm(rings)


def _window(shape, size: int, random) -> tuple[slice, slice]:
  """Draws the rows and columns of a square in an image."""
  row = random.integers(0, shape[0] - size + 1)
  column = random.integers(0, shape[1] - size + 1)
  return slice(row, row + size), slice(column, column + size)
