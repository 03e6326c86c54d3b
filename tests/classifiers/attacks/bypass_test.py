"""Imitations of the transform, and the gradients that they lend."""

import jax
import numpy as np
import pytest

from classifiers import DefendedClassifier
from classifiers.attacks import bypass as bypass_module
from classifiers.attacks.bypass import (
  bpda_objective,
  pba_objective,
  standardised,
  train_bypass,
)
from classifiers.attacks.pgd import margins
from classifiers.data import find_split
from classifiers.defence.classifier import normalised
from tests.classifiers.conftest import TINY

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
LABELS = np.array([1, 2, 3])


@pytest.fixture(scope='module')
def trained(tiny_dir):
  """An imitation of the tiny transform."""
  return train_bypass(
    *(
      find_split(f'cifar10_linac/{TINY.name}', split, str(tiny_dir))
      for split in ('train', 'test')
    ),
    epochs=10,
    seed=0,
  )


def test_an_imitation_predicts_images_it_has_not_seen(trained):
  assert trained.explained > 0.3
  assert trained(IMAGES / np.float32(255)).shape == (3, 32, 32, 8)


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


def test_bpda_has_the_true_loss_and_lent_gradients(trained, random_model):
  classifier = DefendedClassifier(random_model(8, 'representation'), TINY.linac)
  x = IMAGES / 255.0
  losses, gradients = bpda_objective(classifier, trained)(x, LABELS)
  np.testing.assert_allclose(
    losses, margins(classifier(IMAGES), LABELS), rtol=1e-4, atol=1e-5
  )
  # The chain rule with the network's derivative where the true transform is.
  at = classifier.representations(IMAGES)
  cotangents = jax.grad(
    lambda r: margins(classifier.model.logits(r), LABELS).sum()
  )(at)
  expected = jax.grad(
    lambda x: (trained(x) * jax.lax.stop_gradient(cotangents)).sum()
  )(x.astype(np.float32))
  np.testing.assert_allclose(gradients, expected, rtol=1e-3, atol=1e-5)


def test_derivable_normalisation_is_the_normalisation():
  np.testing.assert_allclose(
    standardised(IMAGES / np.float32(255)), normalised(IMAGES), atol=1e-6
  )


def test_a_constant_explains_nothing(tiny_dir):
  split = find_split(f'cifar10_linac/{TINY.name}', 'test', str(tiny_dir))
  representations = np.stack([r for r, _ in split.examples('representation')])
  network = bypass_module.BypassNetwork(8)
  params = network.init(jax.random.key(0), IMAGES[:1] / np.float32(255))
  params['params']['mean'] = representations.astype(np.float32).mean(axis=0)
  explained = bypass_module._explained(network, params, split)
  assert explained == pytest.approx(0, abs=1e-4)
