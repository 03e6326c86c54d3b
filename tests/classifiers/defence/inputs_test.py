"""Images are normalised alike with and without gradients."""

import numpy as np

from classifiers.defence.inputs import normalised, standardised


def test_differentiable_normalisation_is_the_normalisation():
  images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), np.uint8)
  np.testing.assert_allclose(
    standardised(images / np.float32(255)), normalised(images), atol=1e-6
  )
