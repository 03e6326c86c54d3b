"""Threefry-2x32 random keys in NumPy, bit for bit those of JAX.

A seed is a promise: it must mean the same data in ten years. So the integer
part of JAX's random numbers (`jax.random` with the default `threefry2x32`
implementation and `jax_threefry_partitionable=False`) is written out here, and
no release or flag of JAX can change what a seed means. The generator is that of
Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (2011).

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
  """The 20-round Threefry-2x32 hash of `counts`, as JAX pairs them up."""
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
  """The key a 64-bit `seed` stands for.

  Args:
    seed: any integer; only its low 64 bits count.
    derivation: `'published'` drops the high 32 bits, as `jax.random.PRNGKey`
      does in 32-bit JAX; `'full'` keeps them.
  """
  high = seed >> 32 if derivation == 'full' else 0
  return np.array([high % 2**32, seed % 2**32], np.uint32)


def split(key: Key, num: int = 2) -> UInt32[np.ndarray, '{num} 2']:
  """`num` new keys, as `jax.random.split`."""
  return _threefry2x32(key, np.arange(2 * num, dtype=np.uint32)).reshape(num, 2)


def bits(key: Key, size: int) -> UInt32[np.ndarray, '{size}']:
  """`size` random 32-bit words, as `jax.random.bits`."""
  return _threefry2x32(key, np.arange(size, dtype=np.uint32))


def permutation(key: Key, size: int) -> Int64[np.ndarray, '{size}']:
  """A permutation of `arange(size)`, as `jax.random.permutation`."""
  order = np.arange(size)
  # As many sorts as make ties of the 32-bit sort keys harmless.
  rounds = math.ceil(3 * math.log(max(1, size)) / math.log(2**32 - 1))
  for _ in range(rounds):
    key, subkey = split(key)
    order = order[np.argsort(bits(subkey, size), kind='stable')]
  return order


def truncated_normal(
  key: Key, size: int, scale: float
) -> Float32[np.ndarray, '{size}']:
  """Standard normal draws truncated to [-2, 2], times `scale`.

  Follows `jax.random.truncated_normal` in float64 from the exact bits on, so
  that the result does not depend on a machine's or a release's `erf_inv`. It is
  within 4e-7 (relative) of JAX's own.
  """
  bound = float(np.float32(special.erf(2 / np.sqrt(2))))
  unit = (bits(key, size) >> np.uint32(9)) * 2.0**-23
  normal = np.sqrt(2) * special.erfinv(unit * (2 * bound) - bound)
  limit = float(np.nextafter(np.float32(2), np.float32(0)))
  return (np.clip(normal, -limit, limit) * scale).astype(np.float32)
