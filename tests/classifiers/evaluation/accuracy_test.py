"""Correctly classified images are found by their logits."""

import numpy as np

from classifiers.data import find_split
from classifiers.defence.classifier import UndefendedClassifier
from classifiers.evaluation.accuracy import correctly_classified
from tests.classifiers.conftest import TINY


def test_correct_images_are_counted(tiny_dir, random_model):
  model = random_model(3, config_name=TINY.name)
  split = find_split('sample', 'test', str(tiny_dir))
  correct = correctly_classified(model, split, batch_size=7)
  examples = list(split.examples('image'))
  logits = UndefendedClassifier(model)(np.stack([x for x, _ in examples]))
  np.testing.assert_array_equal(
    correct, logits.argmax(axis=1) == [label for _, label in examples]
  )
