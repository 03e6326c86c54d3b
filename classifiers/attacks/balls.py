"""The perturbations that an attack may make: a ball around each image.

Images are floats in [0, 1] of shape `[n, height, width, channels]`. The
original images have 8 bits, so their pixels are multiples of 1/255.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float, UInt8

NORMS = ('linf', 'l2')
# These are the usual radii for CIFAR-10.
EPSILONS = {'linf': 8 / 255, 'l2': 0.5}
Images = Float[np.ndarray, 'n height width channels']


@dataclasses.dataclass(frozen=True)
class Ball:
  """The set of images in [0, 1] whose distance from an original is limited.

  Attributes:
    norm: The norm of the distance, `'linf'` or `'l2'`.
    epsilon: The largest distance, for images in [0, 1].

  Raises:
    ValueError: If the norm is unknown, the radius is not finite, or it is too
      small for any change of an image of 8 bits.
  """

  norm: str
  epsilon: float

  def __post_init__(self):
    if self.norm not in NORMS:
      raise ValueError(f'norm={self.norm!r} must be one of {NORMS}.')
    if not 1 <= self._radius < float('inf'):
      raise ValueError(
        f'epsilon={self.epsilon} must be finite and at least 1/255. A smaller '
        'perturbation changes no pixel of an image of 8 bits.'
      )

  @property
  def _radius(self) -> float:
    """The largest distance in units of 1/255, the distance of two pixels."""
    # The tolerance keeps pixels whose distance is the radius itself, such as
    # 8/255, in spite of rounding errors.
    return 255 * self.epsilon * (1 + 1e-9)

  def size(self, deltas: Images) -> Float[np.ndarray, 'n']:
    """Returns the norm of each perturbation."""
    flat = deltas.reshape(len(deltas), -1)
    if self.norm == 'linf':
      return np.abs(flat).max(axis=1)
    return np.linalg.norm(flat, axis=1)

  def project(self, x: Images, originals: Images) -> Images:
    """Moves each image to the ball around its original, then to [0, 1].

    The originals are in [0, 1] too, so the second step brings an image closer
    to its original and never out of the ball.
    """
    deltas = x - originals
    if self.norm == 'linf':
      deltas = np.clip(deltas, -self.epsilon, self.epsilon)
    else:
      sizes = np.maximum(self.size(deltas), self.epsilon)
      deltas = deltas * _per_image(self.epsilon / sizes)
    return np.clip(originals + deltas, 0, 1)

  def random_start(self, originals: Images, random) -> Images:
    """Draws a point in the ball around each original.

    In the norm `linf` the point is uniform in the ball. In `l2` its direction
    and its distance are uniform.
    """
    if self.norm == 'linf':
      deltas = random.uniform(-self.epsilon, self.epsilon, originals.shape)
    else:
      deltas = random.normal(size=originals.shape)
      radii = random.uniform(0, self.epsilon, len(originals))
      deltas *= _per_image(radii / self.size(deltas))
    return self.project(originals + deltas, originals)

  def steepest(self, gradients: Images) -> Images:
    """Returns the directions of norm 1 along which a loss grows fastest."""
    if self.norm == 'linf':
      return np.sign(gradients)
    # The lower bound avoids a division by 0, and a gradient of 0 stays 0.
    sizes = np.maximum(self.size(gradients), np.finfo(np.float64).tiny)
    return gradients / _per_image(sizes)

  def to_uint8(
    self, x: Images, originals: UInt8[np.ndarray, 'n height width channels']
  ) -> UInt8[np.ndarray, 'n height width channels']:
    """Rounds images to 8 bits such that they stay in the ball.

    In `l2`, rounding can enlarge a perturbation beyond the radius. It is then
    scaled down by 1 % at a time until the rounded one is in the ball.

    Args:
      x: Images in [0, 1].
      originals: The original images.
    """
    deltas, radius = 255.0 * x - originals, self._radius
    if self.norm == 'linf':
      deltas = np.clip(deltas, -np.floor(radius), np.floor(radius))
    rounded = np.rint(deltas)
    while (outside := self.size(rounded) > radius).any():
      deltas[outside] *= 0.99
      rounded = np.rint(deltas)
    return (originals + rounded).clip(0, 255).astype(np.uint8)


def _per_image(values) -> np.ndarray:
  """Reshapes one value per image such that it broadcasts against images."""
  return values.reshape(-1, 1, 1, 1)
