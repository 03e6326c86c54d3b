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
from scipy import special

Key = UInt32[np.ndarray, '2']

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))
_PARITY = np.uint32(0x1BD11BDA)


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

  The steps are those of `jax.random.truncated_normal`, but in float64, so that
  the result does not depend on the `erf_inv` of a machine or of a JAX release.
  The relative difference to JAX's own numbers is at most 4e-7.
  """
  bound = float(np.float32(special.erf(2 / np.sqrt(2))))
  unit = (bits(key, size) >> np.uint32(9)) * 2.0**-23
  normal = np.sqrt(2) * special.erfinv(unit * (2 * bound) - bound)
  limit = float(np.nextafter(np.float32(2), np.float32(0)))
  return (np.clip(normal, -limit, limit) * scale).astype(np.float32)
