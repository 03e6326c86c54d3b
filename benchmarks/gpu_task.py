"""A part of `benchmarks.gpu`: its transform, its time, and its stop-watch."""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from transforms import LinacConfig, draw, encoding
from transforms import fit as fit_images

SHAPE = (32, 32, 3)
# The network of a rehearsal and of compute-sanitizer, which is very slow.
TINY = {
  'num_layers': 2,
  'width': 40,
  'num_epochs': 1,
  'batch_size': 512,
  'representation_layer': 1,
}


class Task(NamedTuple):
  """A part that is to be measured.

  Attributes:
    config: The transform.
    rehearse: Whether this is a rehearsal on a CPU.
    ends: The time after which nothing more is measured, in seconds since the
      epoch.
  """

  config: LinacConfig
  rehearse: bool
  ends: float

  def while_time_is_left(self, items: Iterable) -> Iterator:
    """Yields the items until the time is over."""
    return itertools.takewhile(lambda _: time.time() < self.ends, items)


def images_of(count: int) -> np.ndarray:
  """Draws images; the first ones are the same for every number of images."""
  rng = np.random.default_rng(0)
  return np.stack([rng.integers(0, 256, SHAPE, np.uint8) for _ in range(count)])


def seconds_of(call) -> float:
  """Returns the seconds of the fastest of some calls, after one to compile."""
  jax.block_until_ready(call())
  times = []
  while not times or (len(times) < 5 and sum(times) < 1):
    start = time.perf_counter()
    jax.block_until_ready(call())
    times.append(time.perf_counter() - start)
  return min(times)


def rate(call, count: int) -> dict:
  """Returns images/s of a function that fits `count` images."""
  return {'per_s': round(count / seconds_of(call), 1)}


def on_device(task: Task, count: int, fit=fit_images, **arguments):
  """Returns a function that fits images which are on the device already.

  Args:
    task: The transform.
    count: The number of images.
    fit: A function with the arguments of `transforms.fit`.
    **arguments: More arguments of it.
  """
  config = task.config
  pixels = jax.device_put(encoding.normalise(images_of(count), config))
  draws = jax.device_put(draw(config, SHAPE))
  compiled = jax.jit(functools.partial(fit, config=config, **arguments))
  return lambda: compiled(pixels, draws)


def limits(task: Task, size: int) -> dict:
  """Measures matrix products, and memory that is read and written.

  Args:
    task: The precision of the products.
    size: The number of rows and columns of the matrices.
  """
  a = jnp.ones((size, size), task.config.precision)
  product = jax.jit(
    functools.partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)
  )
  x = jnp.ones(size**2 * 16, jnp.float32)
  negative = jax.jit(jnp.negative)
  flops = 2 * size**3 / seconds_of(lambda: product(a, a))
  num_bytes = 2 * x.nbytes / seconds_of(lambda: negative(x))
  return {
    'tflops': round(flops / 1e12, 3),
    'tb_per_s_of_memory': round(num_bytes / 1e12, 3),
  }
