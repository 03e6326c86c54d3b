"""Imitations of the transform predict the representations of new images."""

import jax
import numpy as np
import pytest

from classifiers.attacks import bypass as bypass_module
from classifiers.data import find_split
from tests.classifiers.conftest import TINY

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)


def test_an_imitation_predicts_images_it_has_not_seen(trained):
  assert trained.explained > 0.3
  assert trained(IMAGES / np.float32(255)).shape == (3, 32, 32, 8)


def test_a_constant_explains_nothing(tiny_dir):
  split = find_split(f'cifar10_linac/{TINY.name}', 'test', str(tiny_dir))
  representations = np.stack([r for r, _ in split.examples('representation')])
  network = bypass_module.BypassNetwork(8)
  params = network.init(jax.random.key(0), IMAGES[:1] / np.float32(255))
  params['params']['mean'] = representations.astype(np.float32).mean(axis=0)
  explained = bypass_module._explained(network, params, split)
  assert explained == pytest.approx(0, abs=1e-4)
