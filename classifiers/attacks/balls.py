"""The perturbations an attacker may make: balls around images, in two norms.

Images are floats in [0, 1], `[n, height, width, channels]`; the originals are
multiples of 1/255.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from jaxtyping import Float, UInt8

NORMS = ('linf', 'l2')
Images = Float[np.ndarray, 'n height width channels']


@dataclasses.dataclass(frozen=True)
class Ball:
  """All images within `epsilon` of an original, and within [0, 1].

  Attributes:
    norm: `'linf'` or `'l2'`.
    epsilon: radius; images are scaled to [0, 1].

  Raises:
    ValueError: for another norm, or a radius that is not positive.
  """

  norm: str
  epsilon: float

  def __post_init__(self):
    if self.norm not in NORMS:
      raise ValueError(f'norm={self.norm!r} must be one of {NORMS}.')
    if not 0 < self.epsilon < float('inf'):
      raise ValueError(f'epsilon={self.epsilon} must be positive.')

  def size(self, deltas: Images) -> Float[np.ndarray, 'n']:
    """The norm of each perturbation."""
    flat = deltas.reshape(len(deltas), -1)
    if self.norm == 'linf':
      return np.abs(flat).max(axis=1)
    return np.linalg.norm(flat, axis=1)

  def project(self, x: Images, originals: Images) -> Images:
    """`x`, moved into the ball and then into [0, 1].

    The second step leads out of no ball, since originals are in [0, 1] too.
    """
    deltas = x - originals
    if self.norm == 'linf':
      deltas = np.clip(deltas, -self.epsilon, self.epsilon)
    else:
      sizes = np.maximum(self.size(deltas), self.epsilon)
      deltas = deltas * _per_image(self.epsilon / sizes)
    return np.clip(originals + deltas, 0, 1)

  def random_start(self, originals: Images, random) -> Images:
    """A point of each ball: uniform in linf, of uniform direction in l2."""
    if self.norm == 'linf':
      deltas = random.uniform(-self.epsilon, self.epsilon, originals.shape)
    else:
      deltas = random.normal(size=originals.shape)
      radii = random.uniform(0, self.epsilon, len(originals))
      deltas *= _per_image(radii / self.size(deltas))
    return self.project(originals + deltas, originals)

  def steepest(self, gradients: Images) -> Images:
    """The directions of size 1 along which a loss grows fastest."""
    if self.norm == 'linf':
      return np.sign(gradients)
    # A gradient of 0 stays one.
    sizes = np.maximum(self.size(gradients), np.finfo(np.float64).tiny)
    return gradients / _per_image(sizes)

  def to_uint8(
    self, x: Images, originals: UInt8[np.ndarray, 'n height width channels']
  ) -> UInt8[np.ndarray, 'n height width channels']:
    """`x`, rounded to 8 bits, and still in the ball.

    A perturbation in l2 that grows beyond the ball by rounding is scaled down
    by hundredths until it does not.
    """
    deltas = 255.0 * x - originals
    # A grid point just at the radius, such as 8/255, is within it.
    radius = 255 * self.epsilon * (1 + 1e-9)
    if self.norm == 'linf':
      deltas = np.clip(deltas, -np.floor(radius), np.floor(radius))
    rounded = np.rint(deltas)
    while (outside := self.size(rounded) > radius).any():
      deltas[outside] *= 0.99
      rounded = np.rint(deltas)
    return (originals + rounded).clip(0, 255).astype(np.uint8)


def _per_image(values) -> np.ndarray:
  return values.reshape(-1, 1, 1, 1)
