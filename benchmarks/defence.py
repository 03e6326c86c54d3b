"""Compares how fast a defended classifier answers with either arithmetic.

  python -m benchmarks.defence

A query attack is millions of such answers: the fit of an image and the logits
of its representation. The network is the smallest WideResNet with random
weights, so that the time is that of the fits.
"""

from __future__ import annotations

import json
import time

import jax
import numpy as np

from classifiers import DefendedClassifier, Model, ModelSpec
from transforms import LinacConfig

IMAGES = 16
TURNS = 4


def random_model() -> Model:
  """Returns a WideResNet-10-1 of representations with random weights."""
  spec = ModelSpec(10, 1, 256, 10, 'representation', 'cifar10', '2.0.0')
  inputs = np.zeros((1, 4, 4, spec.in_channels), np.float32)
  return Model(spec, jax.jit(spec.network.init)(jax.random.key(0), inputs))


def main() -> None:
  model = random_model()
  images = np.random.default_rng(0).integers(
    0, 256, (IMAGES, 32, 32, 3), np.uint8
  )
  classifiers = {
    arithmetic: DefendedClassifier(model, LinacConfig(arithmetic=arithmetic))
    for arithmetic in ('xla', 'canonical')
  }
  rates = {arithmetic: [] for arithmetic in classifiers}
  for classifier in classifiers.values():
    classifier(images)
  for _ in range(TURNS):
    for arithmetic, classifier in classifiers.items():
      start = time.perf_counter()
      classifier(images)
      rates[arithmetic].append(IMAGES / (time.perf_counter() - start))
  medians = {name: round(float(np.median(r)), 2) for name, r in rates.items()}
  ratio = np.median(np.divide(rates['canonical'], rates['xla']))
  print(f'images/s: {medians}; canonical against xla: {ratio:.2f}')
  print(json.dumps({'benchmark': 'defence', **medians}))


if __name__ == '__main__':
  main()
