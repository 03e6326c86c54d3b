"""How many images a classifier still gets right when they are attacked."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Bool, Int, UInt8
from tqdm import tqdm

from classifiers.attacks.balls import Ball
from classifiers.attacks.pgd import Objective, pgd
from classifiers.attacks.square import square

Images = UInt8[np.ndarray, 'n height width channels']
Labels = Int[np.ndarray, 'n']
Classifier = Callable[[np.ndarray], np.ndarray]
# From images and labels to adversarial images.
Attack = Callable[[np.ndarray, np.ndarray], np.ndarray]

# Images that are attacked together.
_CHUNK = 64


def gradient_attack(
  objective: Objective, ball: Ball, steps: int, restarts: int, seed: int
) -> Attack:
  """PGD on an objective; its results are rounded to 8 bits."""
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
  """Square on the classifier itself."""
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
  """Whether each image is classified correctly, before and under the attack.

  Args:
    classifier: maps uint8 images to logits.
    images: the originals.
    labels: the right classes.
    correct: whether each original is classified correctly; the others are not
      attacked.
    attack: given the originals.
    progress: what to call a bar; None shows none.
  """
  robust = np.zeros(len(images), bool)
  indices = np.flatnonzero(correct)
  bar = tqdm(
    total=len(indices), unit=' images', desc=progress, disable=not progress
  )
  for i in range(0, len(indices), _CHUNK):
    chunk = indices[i : i + _CHUNK]
    adversarial = attack(images[chunk], labels[chunk])
    robust[chunk] = classifier(adversarial).argmax(axis=1) == labels[chunk]
    bar.update(len(chunk))
  bar.close()
  return robust
