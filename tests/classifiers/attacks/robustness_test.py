"""Only images that were classified correctly are attacked and counted."""

import numpy as np

from classifiers.attacks.balls import Ball
from classifiers.attacks.objectives import undefended_objective
from classifiers.attacks.robustness import (
  gradient_attack,
  square_attack,
  withstood,
)
from classifiers.defence.classifier import classifier_of


def test_a_white_box_attack_fools_a_network(random_model):
  model = random_model(3)
  images = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), np.uint8)
  classifier = classifier_of(model)
  # The predictions for the originals are taken as the right classes.
  labels = classifier(images).argmax(axis=1)
  pgd = gradient_attack(
    undefended_objective(model), Ball('linf', 8 / 255), 10, 1, seed=0
  )
  correct = np.ones(8, bool)
  assert not withstood(classifier, images, labels, correct, pgd).any()


def test_only_images_that_were_right_are_attacked_and_counted():
  images = np.arange(6, dtype=np.uint8).reshape(6, 1, 1, 1)
  labels = np.array([0, 0, 0, 0, 1, 1])
  seen = []

  def classifier(x):  # Predicts class 1 from pixel value 3 on.
    return np.eye(2)[(x[:, 0, 0, 0] >= 3).astype(int)]

  def add_one(x, y):
    seen.extend(x[:, 0, 0, 0])
    return x + np.uint8(1)

  correct = classifier(images).argmax(1) == labels
  robust = withstood(classifier, images, labels, correct, add_one)
  assert seen == [0, 1, 2, 4, 5]
  np.testing.assert_array_equal(robust, [1, 1, 0, 0, 1, 1])


def test_a_classifier_that_is_never_wrong_withstands_all():
  images = np.full((2, 4, 4, 3), 100, np.uint8)
  always = lambda x: np.tile([1.0, 0.0], (len(x), 1))  # noqa: E731
  labels = np.zeros(2, int)
  found = square_attack(always, Ball('linf', 8 / 255), 3, seed=0)
  robust = withstood(always, images, labels, np.ones(2, bool), found)
  assert robust.all()
