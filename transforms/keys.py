"""Threefry-2x32 random keys in NumPy, equal to those of JAX in every bit.

A seed is a promise: it must give the same data in ten years. So this module
implements the integer part of JAX's random numbers itself (`jax.random` with
the `threefry2x32` implementation and `jax_threefry_partitionable=False`), and
no release or flag of JAX can change the data of a seed. The generator is
described by Salmon et al., "Parallel random numbers: as easy as 1, 2, 3"
(2011).

A key is a uint32 array of shape [2].
"""

import math

import numpy as np
from jaxtyping import Float32, Int64, UInt32

from . import exact

Key = UInt32[np.ndarray, '2']

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = np.uint32(0x1BD11BDA)
_BOUND = 2001731 / 2**21  # This is the float32 that is nearest to erf(sqrt(2)).


def _threefry2x32(
  key: Key, counts: UInt32[np.ndarray, 'n']
) -> UInt32[np.ndarray, 'n']:
  """Returns the 20-round Threefry-2x32 hash of `counts`, paired as in JAX."""
  size = len(counts)
  x0, x1 = np.split(np.append(counts, np.zeros(size % 2, np.uint32)), 2)
  schedule = (key[0], key[1], key[0] ^ key[1] ^ _PARITY)
  x0, x1 = x0 + schedule[0], x1 + schedule[1]
  for i in range(5):
    for r in _ROTATIONS[i % 2]:
      x0 = x0 + x1
      x1 = (x1 << np.uint32(r)) | (x1 >> np.uint32(32 - r))
      x1 = x1 ^ x0
    x0 = x0 + schedule[(i + 1) % 3]
    x1 = x1 + schedule[(i + 2) % 3] + np.uint32(i + 1)
  return np.concatenate([x0, x1])[:size]


def root_key(seed: int, derivation: str) -> Key:
  """Returns the key that a 64-bit seed stands for.

  Args:
    seed: An integer; only its low 64 bits are used.
    derivation: The name of the derivation. `'published'` drops the high 32 bits
      of the seed, as `jax.random.PRNGKey` does in 32-bit JAX; `'full'` keeps
      them.
  """
  high = seed >> 32 if derivation == 'full' else 0
  return np.array([high % 2**32, seed % 2**32], np.uint32)


def split(key: Key, num: int = 2) -> UInt32[np.ndarray, '{num} 2']:
  """Returns `num` new keys, the same as `jax.random.split`."""
  return _threefry2x32(key, np.arange(2 * num, dtype=np.uint32)).reshape(num, 2)


def bits(key: Key, size: int) -> UInt32[np.ndarray, '{size}']:
  """Returns `size` random 32-bit words, the same as `jax.random.bits`."""
  return _threefry2x32(key, np.arange(size, dtype=np.uint32))


def permutation(key: Key, size: int) -> Int64[np.ndarray, '{size}']:
  """Permutes `arange(size)` in the same way as `jax.random.permutation`."""
  order = np.arange(size)
  # Random 32-bit sort keys can be equal. JAX sorts this many times to make the
  # effect of equal keys negligible.
  rounds = math.ceil(3 * math.log(max(1, size)) / math.log(2**32 - 1))
  for _ in range(rounds):
    key, subkey = split(key)
    order = order[np.argsort(bits(subkey, size), kind='stable')]
  return order


def truncated_normal(
  key: Key, size: int, scale: float
) -> Float32[np.ndarray, '{size}']:
  """Draws from a standard normal truncated to [-2, 2], times `scale`.

  The steps are those of `jax.random.truncated_normal`: 23 random bits are the
  fraction u in [0, 1), and `y = u * (2 * bound) - bound`, where the bound is
  `erf(sqrt(2))` as a float32. In float64 y is exact, because the bound has 21
  bits. A result is the exact number `sqrt(2) * erfinv(y) * scale`, rounded once
  to float32. So it does not depend on the `erf_inv` of a machine or of a
  release. The relative difference to JAX's own numbers is at most 4e-7.

  JAX also clips the numbers before it scales them, at the largest float32 below
  2. All of these are nearer to 0: `sqrt(2) * erfinv(bound)` is 1.99999987,
  because the bound is below `erf(sqrt(2))` by 1.5e-8.
  """
  unit = (bits(key, size) >> np.uint32(9)) * 2.0**-23
  return exact.normal(unit * (2 * _BOUND) - _BOUND, scale)
