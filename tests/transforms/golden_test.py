"""Tests the transform against the published notebook and a float64 program.

`reference_*.npz` holds the published algorithm's results in float32,
`float64_*.npz` those of an independent program. In float32, a rounding
difference can flip a ReLU and then grows. So the tests allow the distances that
were measured, to one digit, for another correct program. They only distinguish
a wrong transform, at a distance of about 1, from a right one. The exact tests
are those of the float64 hashes.
"""

import hashlib
import json
import pathlib

import numpy as np
import pytest

from transforms import LinacConfig, draw, linac

GOLDEN = pathlib.Path(__file__).parents[1] / 'golden'

# The fields of our config by their names in the published notebook.
FIELDS = {
  'private_key': 'seed',
  'inr_num_layers': 'num_layers',
  'inr_layer_sz': 'width',
  'inr_num_features': 'num_features',
  'inr_with_bias': 'use_bias',
  'inr_activation': 'activation',
  'representation_layer_index': 'representation_layer',
  'adam_learning_rate': 'learning_rate',
  'adam_b1': 'b1',
  'adam_b2': 'b2',
  'adam_eps': 'eps',
  'cosine_decay_schedule_alpha': 'decay_alpha',
}


class Case:
  """A case of a reference file with this project's result for it."""

  def __init__(self, path: pathlib.Path, name: str):
    with np.load(path) as data:
      self.images = data['images']
      meta = json.loads(bytes(data['meta_json']))[name]
      self.losses = data[f'{name}/losses']
      self.sample = data[f'{name}/reps_sample']
      self.l2 = data[f'{name}/reps_l2']
      self.permutations = data[f'{name}/epoch_perms']
    self.stride = meta.pop('channel_stride')
    fields = {FIELDS.get(k, k): v for k, v in meta.items()}
    if fields.get('activation', 'relu') != 'relu':
      fields['arithmetic'] = 'xla'
    self.config = LinacConfig(**fields)
    self.fit = linac(self.images, self.config)

  def worst_distance(self) -> float:
    """Returns the largest relative L2 distance of a sampled representation."""
    ours = self.fit.representation[:, ::4, ::4, :: self.stride]
    error = np.sqrt(np.sum((ours - self.sample) ** 2, axis=(1, 2, 3)))
    return np.max(error / np.sqrt(np.sum(self.sample**2, axis=(1, 2, 3))))


@pytest.mark.parametrize(
  ('name', 'distance'),
  [
    ('small_nobias_tanh', 2.5e-6),
    ('small', 2e-4),
    ('one_epoch', 5e-6),
    ('one_epoch_key0', 6.5e-3),
    ('one_epoch_key42', 4.5e-3),
    ('one_epoch_key7', 7.5e-2),
    ('one_epoch_key_2p40_plus_7', 7.5e-2),
  ],
)
def test_short_fits_follow_the_published_ones(name, distance):
  case = Case(GOLDEN / 'reference_synthetic.npz', name)
  draws = draw(case.config, case.images.shape[1:])
  np.testing.assert_array_equal(
    draws.epoch_orders[: len(case.permutations)], case.permutations
  )
  np.testing.assert_allclose(
    case.fit.losses[:, 0], case.losses[:, 0], rtol=3e-7
  )
  np.testing.assert_allclose(case.fit.losses, case.losses, rtol=2e-3)
  assert case.worst_distance() <= distance


@pytest.mark.parametrize('name', ['paper', 'paper_reconstruction'])
def test_full_fits_follow_the_published_ones(name):
  check_full_fit(Case(GOLDEN / 'reference_synthetic.npz', name))


@pytest.mark.parametrize('name', ['paper', 'paper_reconstruction'])
def test_full_fits_of_real_images_follow_the_published_ones(shared_data, name):
  check_full_fit(
    Case(shared_data / 'golden/reference_cifar10_test_0_7.npz', name)
  )


def test_an_epoch_of_real_images_follows_the_published_one(shared_data):
  case = Case(
    shared_data / 'golden/reference_cifar10_test_0_7.npz', 'one_epoch'
  )
  np.testing.assert_allclose(
    case.fit.losses[:, 0], case.losses[:, 0], rtol=3e-7
  )
  np.testing.assert_allclose(case.fit.losses, case.losses, rtol=2e-3)
  assert case.worst_distance() <= 7.5e-2


def check_full_fit(case: Case):
  last_epoch = slice(-32, None)
  np.testing.assert_allclose(
    case.fit.losses[:, last_epoch].mean(axis=1),
    case.losses[:, last_epoch].mean(axis=1),
    rtol=0.03,
  )
  assert case.worst_distance() <= 0.35


def test_float64_bits_of_drawn_images():
  check_float64(GOLDEN / 'float64_synthetic.npz', sha256='c1cd8184976a4ff8')


def test_float64_bits_of_real_images(shared_data):
  check_float64(
    shared_data / 'golden/float64_cifar10_test_0_7.npz',
    sha256='925507ad1496b76e',
  )


def check_float64(path: pathlib.Path, sha256: str):
  with np.load(path) as data:
    fit = linac(data['images'], LinacConfig(precision='float64'))
    np.testing.assert_allclose(fit.losses, data['paper/losses'], rtol=1e-9)
    np.testing.assert_allclose(
      fit.representation[:, ::4, ::4, ::8],
      data['paper/reps_sample'],
      rtol=1e-9,
      atol=1e-9,
    )
  # Bits are compared after rounding to float16, because without it the last
  # bits may differ between machines.
  bits = fit.representation.astype('<f2').tobytes()
  assert hashlib.sha256(bits).hexdigest().startswith(sha256)
