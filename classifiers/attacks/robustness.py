"""The images that a classifier still classifies correctly under an attack."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Int, UInt8
from tqdm import tqdm

from classifiers.attacks.balls import Ball
from classifiers.attacks.objectives import Objective
from classifiers.attacks.pgd import pgd
from classifiers.attacks.square import square

Images = UInt8[np.ndarray, 'n height width channels']
Labels = Int[np.ndarray, 'n']
Classifier = Callable[[np.ndarray], np.ndarray]
# A function from images and their labels to adversarial images.
Attack = Callable[[np.ndarray, np.ndarray], np.ndarray]

# The number of images that are attacked together.
_CHUNK = 64


def gradient_attack(
  objective: Objective, ball: Ball, steps: int, restarts: int, seed: int
) -> Attack:
  """Returns a PGD attack, whose results are rounded to 8 bits in the ball.

  Args:
    objective: The loss to increase.
    ball: The perturbations that are allowed.
    steps: The number of steps in each restart.
    restarts: The number of searches.
    seed: The seed of the starting points.
  """
  random = np.random.default_rng(seed)

  def attack(images, labels):
    found = pgd(
      objective, images / 255.0, labels, ball, steps, restarts, random
    )
    return ball.to_uint8(found, images)

  return attack


def square_attack(
  classifier: Classifier, ball: Ball, queries: int, seed: int
) -> Attack:
  """Returns a Square attack.

  Args:
    classifier: The classifier to attack, a function from images to logits.
    ball: The perturbations that are allowed.
    queries: The largest number of queries for each image.
    seed: The seed of the squares.
  """
  random = np.random.default_rng(seed)
  return lambda images, labels: (
    square(classifier, images, labels, ball, queries, random).images
  )


def withstood(
  classifier: Classifier,
  images: Images,
  labels: Labels,
  correct: Bool[np.ndarray, 'n'],
  attack: Attack,
  progress: str | None = None,
) -> Bool[np.ndarray, 'n']:
  """Returns whether each image is classified correctly in spite of an attack.

  Args:
    classifier: A function from uint8 images to logits.
    images: The original images.
    labels: The right classes.
    correct: Whether each original is classified correctly. Those that are not
      are not attacked, and the result for them is False.
    attack: The attack, which is given the originals.
    progress: The name of a progress bar. None shows no bar.
  """
  robust = np.zeros(len(images), bool)
  indices = np.flatnonzero(correct)
  with tqdm(
    total=len(indices), unit=' images', desc=progress, disable=not progress
  ) as bar:
    for i in range(0, len(indices), _CHUNK):
      chunk = indices[i : i + _CHUNK]
      adversarial = attack(images[chunk], labels[chunk])
      robust[chunk] = classifier(adversarial).argmax(axis=1) == labels[chunk]
      bar.update(len(chunk))
  return robust
