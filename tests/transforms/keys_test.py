from decimal import Decimal

import jax
import numpy as np
import pytest
from scipy import special

from tests.transforms import decimals
from transforms import keys

SEEDS = [0, 7, 42, -1, 2**31, 2**40 + 7, -2314326399425823309]


@pytest.fixture(autouse=True)
def published_threefry():
  with jax.threefry_partitionable(False):
    yield


def jax_key(seed):
  return jax.random.wrap_key_data(
    keys.root_key(seed, 'full'), impl='threefry2x32'
  )


@pytest.mark.parametrize('seed', SEEDS)
def test_streams_are_those_of_jax(seed):
  key, theirs = keys.root_key(seed, 'full'), jax_key(seed)
  for num in (2, 3, 10):
    np.testing.assert_array_equal(
      keys.split(key, num), jax.random.key_data(jax.random.split(theirs, num))
    )
  for size in (1, 2, 5, 1024):
    np.testing.assert_array_equal(
      keys.bits(key, size), jax.random.bits(theirs, (size,), 'uint32')
    )


@pytest.mark.parametrize('size', [1, 2, 63, 1024, 5000])
def test_permutations_are_those_of_jax(size):
  np.testing.assert_array_equal(
    keys.permutation(keys.root_key(42, 'full'), size),
    jax.random.permutation(jax_key(42), np.arange(size, dtype=np.int32)),
  )


def test_root_keys():
  with jax.enable_x64(False):
    np.testing.assert_array_equal(
      keys.root_key(-2314326399425823309, 'published'),
      jax.random.PRNGKey(np.int64(-2314326399425823309)),
    )
  assert keys.root_key(2**40 + 7, 'published').tolist() == [0, 7]
  assert keys.root_key(2**40 + 7, 'full').tolist() == [256, 7]
  assert keys.root_key(-1, 'full').tolist() == [2**32 - 1, 2**32 - 1]


def test_normals_are_near_those_of_jax():
  ours = keys.truncated_normal(keys.root_key(7, 'full'), 2**16, 0.5)
  theirs = jax.random.truncated_normal(jax_key(7), -2, 2, (2**16,), 'float32')
  np.testing.assert_allclose(ours, 0.5 * theirs, rtol=4e-7, atol=1e-12)


def test_the_bound_is_the_nearest_float32_number():
  true = decimals.chance(Decimal(2), 40)
  assert decimals.is_nearest(true, keys._BOUND, np.float32)


def check_normal(word: int, scale: float, number: float):
  chance = Decimal(keys._BOUND) * ((word >> 9) - 2**22) / 2**22
  true = decimals.normal(chance, 40) * Decimal(scale)
  assert decimals.is_nearest(true, number, np.float32)


def test_normals_are_exact_and_rounded_once():
  key, scale = keys.root_key(3, 'full'), 1 / np.sqrt(20)
  draws = keys.truncated_normal(key, 200, scale).tolist()
  for word, number in zip(keys.bits(key, 200).tolist(), draws, strict=True):
    check_normal(word, scale, number)


@pytest.mark.parametrize('word', [0, 2**31 - 1, 2**31, 2**31 + 512, 2**32 - 1])
def test_the_normals_at_the_ends_and_in_the_middle(monkeypatch, word):
  monkeypatch.setattr(
    keys, 'bits', lambda key, size: np.full(size, word, np.uint32)
  )
  [draw] = keys.truncated_normal(keys.root_key(0, 'full'), 1, 1.0)
  assert -2 < draw < 2
  assert (draw == 0) == (word == 2**31)
  check_normal(word, 1.0, float(draw))


def test_normals_are_truncated_without_a_correction_of_the_variance():
  draws = keys.truncated_normal(keys.root_key(1, 'full'), 2**18, 1.0)
  assert np.abs(draws).max() < 2
  density = np.exp(-2) / np.sqrt(2 * np.pi)
  variance = 1 - 4 * density / special.erf(np.sqrt(2))
  assert draws.var() == pytest.approx(variance, rel=0.01)
