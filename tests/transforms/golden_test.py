"""Tests the transform against the published notebook and a float64 program.

`reference_*.npz` holds the published algorithm's results in float32,
`float64_*.npz` those of an independent program. In float32, a rounding
difference can flip a ReLU and then grows. So the tests allow the distances that
were measured, to one digit, for another correct program. They only distinguish
a wrong transform, at a distance of about 1, from a right one. The exact tests
are those of the float64 hashes here, and of tests/transforms/canonical.
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


ARITHMETICS = pytest.mark.parametrize('arithmetic', ['canonical', 'xla'])
# How close the losses of the first step are. A canonical sum over a batch is
# one chain of additions, whose rounding errors are larger: up to 3.5e-7 here.
FIRST_LOSS = {'canonical': 4e-7, 'xla': 3e-7}


class Case:
  """A case of a reference file with this project's result for it."""

  def __init__(self, path: pathlib.Path, name: str, arithmetic: str):
    with np.load(path) as data:
      self.images = data['images']
      meta = json.loads(bytes(data['meta_json']))[name]
      self.losses = data[f'{name}/losses']
      self.sample = data[f'{name}/reps_sample']
      self.l2 = data[f'{name}/reps_l2']
      self.permutations = data[f'{name}/epoch_perms']
    self.stride = meta.pop('channel_stride')
    fields = {FIELDS.get(k, k): v for k, v in meta.items()}
    self.config = LinacConfig(**fields, arithmetic=arithmetic)
    self.fit = linac(self.images, self.config)

  def worst_distance(self) -> float:
    """Returns the largest relative L2 distance of a sampled representation."""
    ours = self.fit.representation[:, ::4, ::4, :: self.stride]
    error = np.sqrt(np.sum((ours - self.sample) ** 2, axis=(1, 2, 3)))
    return np.max(error / np.sqrt(np.sum(self.sample**2, axis=(1, 2, 3))))


@pytest.mark.parametrize(
  ('name', 'distance'),
  [
    ('small', 2e-4),
    ('one_epoch', 5e-6),
    ('one_epoch_key0', 6.5e-3),
    ('one_epoch_key42', 4.5e-3),
    ('one_epoch_key7', 7.5e-2),
    ('one_epoch_key_2p40_plus_7', 7.5e-2),
  ],
)
@ARITHMETICS
def test_short_fits_follow_the_published_ones(name, distance, arithmetic):
  check_short_fit(name, distance, arithmetic)


def test_a_smooth_activation_follows_the_published_fit():
  check_short_fit('small_nobias_tanh', 2.5e-6, 'xla')


def check_short_fit(name: str, distance: float, arithmetic: str):
  case = Case(GOLDEN / 'reference_synthetic.npz', name, arithmetic)
  draws = draw(case.config, case.images.shape[1:])
  np.testing.assert_array_equal(
    draws.epoch_orders[: len(case.permutations)], case.permutations
  )
  np.testing.assert_allclose(
    case.fit.losses[:, 0], case.losses[:, 0], rtol=FIRST_LOSS[arithmetic]
  )
  np.testing.assert_allclose(case.fit.losses, case.losses, rtol=2e-3)
  assert case.worst_distance() <= distance


@pytest.mark.parametrize('name', ['paper', 'paper_reconstruction'])
@ARITHMETICS
def test_full_fits_follow_the_published_ones(name, arithmetic):
  check_full_fit(Case(GOLDEN / 'reference_synthetic.npz', name, arithmetic))


@pytest.mark.parametrize('name', ['paper', 'paper_reconstruction'])
@ARITHMETICS
def test_full_fits_of_real_images_follow_the_published_ones(
  shared_data, name, arithmetic
):
  path = shared_data / 'golden/reference_cifar10_test_0_7.npz'
  check_full_fit(Case(path, name, arithmetic))


@ARITHMETICS
def test_an_epoch_of_real_images_follows_the_published_one(
  shared_data, arithmetic
):
  path = shared_data / 'golden/reference_cifar10_test_0_7.npz'
  case = Case(path, 'one_epoch', arithmetic)
  np.testing.assert_allclose(
    case.fit.losses[:, 0], case.losses[:, 0], rtol=FIRST_LOSS[arithmetic]
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


@ARITHMETICS
def test_float64_bits_of_drawn_images(arithmetic):
  path = GOLDEN / 'float64_synthetic.npz'
  check_float64(path, arithmetic, 'c1cd8184976a4ff8', '44d74b8fc86dc730')


@ARITHMETICS
def test_float64_bits_of_real_images(shared_data, arithmetic):
  path = shared_data / 'golden/float64_cifar10_test_0_7.npz'
  check_float64(path, arithmetic, '925507ad1496b76e', 'aaa65cc60b13ad64')


def check_float64(path: pathlib.Path, arithmetic: str, half: str, single: str):
  """Checks a fit against another program's numbers and SHA-256 hashes.

  Args:
    path: The file of images and numbers.
    arithmetic: The arithmetic of the fit.
    half: The hash of the representation, rounded to float16.
    single: The hash of the representation of a canonical fit, rounded to
      float32. Last bits of XLA's fits may differ between machines.
  """
  config = LinacConfig(precision='float64', arithmetic=arithmetic)
  with np.load(path) as data:
    fit = linac(data['images'], config)
    np.testing.assert_allclose(fit.losses, data['paper/losses'], rtol=1e-9)
    np.testing.assert_allclose(
      fit.representation[:, ::4, ::4, ::8],
      data['paper/reps_sample'],
      rtol=1e-9,
      atol=1e-9,
    )
  hashes = [
    hashlib.sha256(fit.representation.astype(dtype).tobytes()).hexdigest()[:16]
    for dtype in ('<f2', '<f4')
  ]
  assert hashes[0] == half
  assert arithmetic == 'xla' or hashes[1] == single
