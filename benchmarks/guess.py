"""Shows that one forward pass distinguishes the right key from wrong ones.

  python -m benchmarks.guess

The benchmark fits images of the sample under a key. Then it computes the
correlation of each representation with the activations of networks that are
only initialised, under the same key and under others. The result matters to
everyone who publishes representations and wants to keep the key secret.
"""

from __future__ import annotations

import json
import time

import jax
import numpy as np

from linac_tfds.sample.sample_dataset_builder import draw_image
from transforms import LinacConfig, draw, inr, linac

IMAGES = 8
WRONG_KEYS = 1000
KEY = 42


def initial_activations(config: LinacConfig, shape) -> np.ndarray:
  """Returns the representation before any fit, which all images share."""
  draws = draw(config, shape)
  model = inr.INR(config, channels=shape[-1])
  params = inr.initial_params(draws, config, np.float32)
  return np.asarray(_apply(model, params, draws.inputs))


_apply = jax.jit(
  lambda model, params, inputs: model.apply(params, inputs)[1],
  static_argnums=0,
)


def correlations(representations, activations) -> np.ndarray:
  """Returns Pearson's correlation of each representation with activations."""
  return np.array(
    [np.corrcoef(r.ravel(), activations.ravel())[0, 1] for r in representations]
  )


def main() -> None:
  images = np.stack([draw_image('disc', i) for i in range(IMAGES)])
  shape = images.shape[1:]
  representations = linac(images, LinacConfig(seed=KEY)).representation
  right = correlations(
    representations, initial_activations(LinacConfig(seed=KEY), shape)
  )
  start = time.perf_counter()
  wrong = np.concatenate(
    [
      correlations(
        representations[:1],
        initial_activations(LinacConfig(seed=KEY + i), shape),
      )
      for i in range(1, WRONG_KEYS + 1)
    ]
  )
  seconds = (time.perf_counter() - start) / WRONG_KEYS
  print(f'right key, {IMAGES} images: {right.min():.3f} to {right.max():.3f}')
  print(f'{WRONG_KEYS} wrong keys: {wrong.min():.3f} to {wrong.max():.3f}')
  print(f'{seconds * 1e3:.1f} ms a guess: {seconds * 2**32 / 86400:,.0f} days')
  print(
    json.dumps(
      {
        'benchmark': 'guess',
        'right': [float(right.min()), float(right.max())],
        'wrong': [float(wrong.min()), float(wrong.max())],
        'seconds_per_guess': seconds,
      }
    )
  )


if __name__ == '__main__':
  main()
