"""Objectives return margins, and gradients that may come from an imitation."""

import jax
import jax.numpy as jnp
import numpy as np

from classifiers import DefendedClassifier
from classifiers.attacks.objectives import (
  bpda_objective,
  margins,
  objective_of,
  pba_objective,
)
from tests.classifiers.conftest import TINY

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
LABELS = np.array([1, 2, 3])
WEIGHTS = np.random.default_rng(1).normal(size=(48, 2)).astype(np.float32)


def test_margins_are_positive_when_the_classifier_is_fooled():
  logits = jnp.array([[1.0, 3.0, 2.0], [1.0, 3.0, 2.0]])
  np.testing.assert_allclose(margins(logits, np.array([1, 0])), [-1, 2])


def test_gradients_are_the_margins():
  images = 0.5 + 0.1 * np.random.default_rng(2).uniform(-1, 1, (6, 4, 4, 3))
  labels = np.array([0, 1, 0, 1, 0, 1])
  linear = lambda x: x.reshape(len(x), -1) @ jnp.asarray(WEIGHTS)  # noqa: E731
  losses, gradients = objective_of(linear)(images, labels)
  np.testing.assert_allclose(losses, margins(linear(images), labels), rtol=1e-5)
  expected = jax.grad(lambda x: margins(linear(x), labels).sum())(
    images.astype(np.float32)
  )
  np.testing.assert_allclose(gradients, expected, rtol=1e-5)


def test_pba_is_the_networks_gradient_through_the_imitation(
  trained, random_model
):
  model = random_model(8, 'representation')
  x = IMAGES / np.float32(255)
  losses, gradients = pba_objective(model, trained)(x, LABELS)
  expected = jax.grad(lambda x: margins(model.logits(trained(x)), LABELS).sum())
  np.testing.assert_allclose(gradients, expected(x), rtol=1e-3, atol=1e-5)
  np.testing.assert_allclose(
    losses, margins(model.logits(trained(x)), LABELS), rtol=1e-4, atol=1e-5
  )


def test_bpda_has_the_true_loss_and_a_gradient_through_the_imitation(
  trained, random_model
):
  classifier = DefendedClassifier(random_model(8, 'representation'), TINY.linac)
  x = IMAGES / 255.0
  losses, gradients = bpda_objective(classifier, trained)(x, LABELS)
  np.testing.assert_allclose(
    losses, margins(classifier(IMAGES), LABELS), rtol=1e-4, atol=1e-5
  )
  # By the chain rule, the loss is differentiated at the true representation,
  # and the transform is differentiated through the imitation.
  at = classifier.representations(IMAGES)
  cotangents = jax.grad(
    lambda r: margins(classifier.model.logits(r), LABELS).sum()
  )(at)
  expected = jax.grad(
    lambda x: (trained(x) * jax.lax.stop_gradient(cotangents)).sum()
  )(x.astype(np.float32))
  np.testing.assert_allclose(gradients, expected, rtol=1e-3, atol=1e-5)
