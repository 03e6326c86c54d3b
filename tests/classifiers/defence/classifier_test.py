"""Logits are those of transform and network, whatever else is in a batch."""

import jax.numpy as jnp
import numpy as np
import pytest

from classifiers import DefendedClassifier
from classifiers.defence.classifier import (
  UndefendedClassifier,
  classifier_of,
  transform_of,
)
from transforms import LinacConfig, linac

CONFIG = LinacConfig(
  num_layers=2, width=8, representation_layer=1, num_epochs=1, batch_size=32
)
IMAGES = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8)


def test_logits_are_the_networks_of_the_representations(random_model):
  model = random_model(in_channels=8, inputs='representation')
  classifier = DefendedClassifier(model, CONFIG, batch_size=5)
  representation = linac(IMAGES, CONFIG).representation
  np.testing.assert_allclose(
    classifier(IMAGES), model.logits(representation), rtol=1e-5, atol=1e-6
  )


@pytest.mark.parametrize('inputs', ['representation', 'image'])
def test_neighbours_and_padding_do_not_matter(random_model, inputs):
  channels = {'representation': 8, 'image': 3}[inputs]
  classifier = classifier_of(random_model(channels, inputs), CONFIG)
  classifier.batch_size = 3
  together = classifier(IMAGES)
  assert together.shape == (5, 10)
  alone = [classifier(image[None])[0] for image in IMAGES[::-1]]
  np.testing.assert_array_equal(together, alone[::-1])


def test_an_undefended_classifier_sees_normalised_images(random_model):
  model = random_model(in_channels=3)
  mean, std = LinacConfig().pixel_constants(3)
  inputs = (IMAGES / 255 - np.array(mean)) / np.array(std)
  np.testing.assert_allclose(
    UndefendedClassifier(model, batch_size=5)(IMAGES),
    model.logits(jnp.asarray(inputs, jnp.float32)),
    rtol=1e-4,
    atol=1e-5,
  )


def test_the_models_config_names_its_transform(random_model):
  named = random_model(8, 'representation', 'seed_7+num_epochs_2')
  assert transform_of(named) == LinacConfig(seed=7, num_epochs=2)
  private = random_model(8, 'representation', 'mine')
  with pytest.raises(ValueError, match="'mine'.*key is private"):
    DefendedClassifier(private)
  assert DefendedClassifier(private, CONFIG).config == CONFIG


def test_models_of_other_inputs_are_refused(random_model):
  with pytest.raises(ValueError, match="inputs='image'"):
    DefendedClassifier(random_model(3), CONFIG)
  with pytest.raises(ValueError, match="inputs='representation'"):
    UndefendedClassifier(random_model(8, 'representation'))


def test_logits_that_are_not_finite_are_refused(random_model):
  # The weights are finite, but the logits are not.
  model = random_model(in_channels=3)
  model.variables['params']['logits']['kernel'][:] = 3e38
  model.variables['params']['batchnorm']['scale'][:] = 1e6
  with pytest.raises(ValueError, match='logits that are not finite'):
    UndefendedClassifier(model)(IMAGES)


def test_inputs_of_other_channels_are_refused(random_model):
  with pytest.raises(ValueError, match='of 9 channels, not 8'):
    DefendedClassifier(random_model(9, 'representation'), CONFIG)(IMAGES)
  with pytest.raises(ValueError, match='of 1 channels, not 3'):
    UndefendedClassifier(random_model(1))(IMAGES)


@pytest.mark.parametrize(
  'images', [IMAGES / 255.0, IMAGES[0], IMAGES[:0], IMAGES.astype(np.int32)]
)
def test_images_are_uint8_in_batches(random_model, images):
  for classifier in (
    DefendedClassifier(random_model(8, 'representation'), CONFIG),
    UndefendedClassifier(random_model(3)),
  ):
    with pytest.raises(ValueError, match='pass uint8'):
      classifier(images)
