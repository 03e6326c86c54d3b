"""The division of a batch among the blocks of a GPU.

The division changes no bit, only the speed. There are two ways:

- *Streaming*: as many images are fitted at once as the GPU has room for blocks,
  usually one block an image. The states of the images, their weights and
  moments, go through memory seven times a step.
- *Resident*: so few images are fitted at once that their states stay in the
  second-level cache, each on several blocks that meet after each layer.

The estimates below are made from data sheets and no more than a guide.
`benchmarks.gpu` measures all schedules.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from linac_config.config import KeylessConfig

from .card import Card, Kernel

# A launch should last at most this long by the estimate, in seconds. Drivers of
# displays stop a launch after a few seconds.
_LAUNCH_SECONDS = 0.25
# The share of the cache that may hold states. Activations pass through it, too.
_SHARE_OF_CACHE = 0.85
# The shares of the memory's bandwidth and of the arithmetic that kernels reach,
# and the bytes that the second-level cache gives a multiprocessor in a cycle.
_SHARE_OF_BANDWIDTH = 0.85
_SHARE_OF_ARITHMETIC = 0.6
_CACHE_BYTES = 22
# The threads that keep a multiprocessor busy, and the seconds of a barrier.
_BUSY_THREADS = 256
_BARRIER_SECONDS = 1.5e-6
# The shared memory that CUDA itself takes for each block.
_RESERVED_BYTES = 1024
# The images that one call to the device should have, about. With twice as many,
# a worker needs half as much memory again and is no faster.
_IMAGES_PER_BATCH = 256


class Sizes(NamedTuple):
  """The sizes of a fit, see `Problem` in `../source/problem.h`."""

  precision: str
  steps: int
  batch: int
  pixels: int
  features: int
  width: int
  layers: int
  channels: int

  @classmethod
  def of(cls, config: KeylessConfig, shape: tuple[int, int, int]) -> Sizes:
    """The sizes of the fits of images with a (height, width, channels)."""
    height, width, channels = shape
    return cls(
      config.precision,
      config.num_steps(height * width),
      config.batch_size,
      height * width,
      4 * config.num_features,
      config.width,
      config.num_layers,
      channels,
    )

  @property
  def itemsize(self) -> int:
    return {'float32': 4, 'float64': 8}[self.precision]

  @property
  def weights(self) -> int:
    hidden = self.features + (self.layers - 1) * self.width
    return self.width * (hidden + self.channels)

  def workspace_bytes(self) -> int:
    """About what an image needs: its state, activations and gradients."""
    panels = math.ceil(self.batch / 32) * 32
    activations = 2 * self.features + self.layers * 3 * self.width
    return self.itemsize * (3 * self.weights + panels * activations)


class Schedule(NamedTuple):
  """A division of the work, see `Schedule` in `../source/cuda_handler.cc`.

  Attributes:
    columns: The columns of a layer that a block computes at once.
    blocks_per_image: The blocks that fit an image together.
    images_at_once: The images that are fitted at the same time.
    units_per_launch: The steps of one launch, or parts of the grid that are as
      large as a step.
  """

  columns: int
  blocks_per_image: int
  images_at_once: int
  units_per_launch: int


class Estimate(NamedTuple):
  """A schedule, with the images per second that its GPU should fit."""

  images_per_second: float
  step_seconds: float
  schedule: Schedule


def choose_schedule(
  card: Card, kernels: Iterable[Kernel], sizes: Sizes
) -> Schedule:
  """Chooses the schedule that should be fastest.

  Args:
    card: The GPU.
    kernels: The kernels of the program.
    sizes: The sizes of the fit.
  """
  found = list(estimates(card, kernels, sizes))
  # Where a single step takes too long for a launch, the shortest is the best.
  short = [e for e in found if e.step_seconds <= _LAUNCH_SECONDS]
  if short:
    return max(short, key=lambda e: e.images_per_second).schedule
  return min(found, key=lambda e: e.step_seconds).schedule


def default_images(schedule: Schedule, most: int) -> int:
  """The images to fit in one call: a whole multiple of those fitted at once.

  Args:
    schedule: The schedule of the fits.
    most: The number of images whose results the memory holds.
  """
  at_once = schedule.images_at_once
  images = at_once * max(1, round(_IMAGES_PER_BATCH / at_once))
  if images <= most:
    return images
  return max(1, most // at_once * at_once or most)


def estimates(
  card: Card, kernels: Iterable[Kernel], sizes: Sizes
) -> Iterator[Estimate]:
  """Yields the schedules that a GPU can run, with estimates of their speed.

  Args:
    card: The GPU.
    kernels: The kernels of the program.
    sizes: The sizes of the fit.
  """
  for kernel in kernels:
    if (
      kernel.precision == sizes.precision
      and kernel.shared_bytes <= card.shared_bytes_per_block
    ):
      room = card.multiprocessors * _blocks(card, kernel)
      tiles = math.ceil(sizes.width / kernel.columns)
      for blocks in sorted({2**i for i in range(10) if 2**i < tiles} | {tiles}):
        cached = _SHARE_OF_CACHE * card.l2_bytes // sizes.workspace_bytes()
        for images in {room // blocks, min(room // blocks, int(cached)), 1}:
          if images and blocks <= room:
            yield _estimate(card, kernel, sizes, blocks, images)


def _blocks(card: Card, kernel: Kernel) -> int:
  """The blocks that a multiprocessor runs at the same time."""
  shared = kernel.shared_bytes + _RESERVED_BYTES
  return max(
    1, min(kernel.blocks, card.shared_bytes_per_multiprocessor // shared)
  )


def _estimate(
  card: Card, kernel: Kernel, sizes: Sizes, blocks: int, images: int
) -> Estimate:
  """Estimates the time of a step.

  Args:
    card: The GPU.
    kernel: The kernel.
    sizes: The sizes of the fit.
    blocks: The blocks per image.
    images: The images that are fitted at once.
  """
  tiles = math.ceil(sizes.width / kernel.columns)
  # The operations of the block with the most columns; padding takes time, too.
  operations = 6 * sizes.weights * sizes.batch
  operations *= math.ceil(tiles / blocks) * kernel.columns / sizes.width
  together = math.ceil(images * blocks / card.multiprocessors)
  threads = min(1, together * kernel.threads / _BUSY_THREADS)
  # A thread with few columns reads more numbers per operation.
  reuse = min(1, 0.4 + kernel.columns / 128)
  speed = card.multiprocessor_flops(sizes.precision) * threads * reuse
  compute = together * operations / (_SHARE_OF_ARITHMETIC * speed)
  # Weights are read in both passes and read and written with their moments in
  # one. Each tile reads the activations of this step and of the one before, and
  # the gradients.
  activations = sizes.batch * sizes.width * sizes.layers * (4 + 3 * tiles)
  traffic = images * (7 * sizes.weights + activations) * sizes.itemsize
  is_cached = (
    images * sizes.workspace_bytes() <= _SHARE_OF_CACHE * card.l2_bytes
  )
  cache = _CACHE_BYTES * card.multiprocessors * card.cycles()
  memory = traffic / (
    cache if is_cached else _SHARE_OF_BANDWIDTH * card.bandwidth()
  )
  barriers = 2 * sizes.layers if blocks > 1 else 0
  seconds = max(compute, memory) + barriers * _BARRIER_SECONDS
  units = min(
    max(1, int(_LAUNCH_SECONDS / seconds)),
    sizes.steps + sizes.pixels // sizes.batch,
  )
  return Estimate(
    images / (seconds * sizes.steps),
    seconds,
    Schedule(kernel.columns, blocks, images, units),
  )
