"""A stand-in for the device of a worker, which `device_feed` starts.

It returns prepared representations at a chosen rate. Everything else of the
worker is real. It is a process of its own, so no command can reach it.
"""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np

from pipelines.runners.local import parent, worker

# Environment variables: the images/s of each device, and the folder for its
# times.
RATE = 'LINAC_STAND_IN_RATE'
TIMES = 'LINAC_STAND_IN_TIMES'


class Device:
  """A device that fits batches one after the other, at a fixed rate.

  It appends a line for each batch to a file of its own in the folder `TIMES`:
  the start and the end, in seconds of the monotonic clock, and the CPU time
  that this process and its children had used by the end.
  """

  def __init__(self):
    self._rate = float(os.environ[RATE])
    self._times = os.path.join(os.environ[TIMES], str(os.getpid()))
    self._queue = ThreadPoolExecutor(1)
    self._prepared = None

  def fit(self, pixels, draws, config, dtype: str) -> tuple[Result, ...]:
    """Starts the fit of a batch, in the place of the compiled program."""
    if self._prepared is None:
      self._prepared = _prepare(pixels, config, dtype)
    done = self._queue.submit(self._work, len(pixels))
    return tuple(Result(a[: len(pixels)], done) for a in self._prepared)

  def _work(self, count: int) -> None:
    start = time.monotonic()
    end = start + count / self._rate
    time.sleep(max(0, end - time.monotonic()))
    with open(self._times, 'a') as f:
      f.write(f'{start} {time.monotonic()} {sum(os.times()[:4])}\n')


class Result:
  """An array on the device: to fetch it is to wait and to copy it."""

  def __init__(self, array: np.ndarray, done):
    self.device = jax.devices()[0]
    self._array = array
    self._done = done

  def __array__(self, dtype=None, copy=None) -> np.ndarray:
    self._done.result()
    return self._array.copy()


def _prepare(pixels, config, dtype: str) -> tuple[np.ndarray, ...]:
  """Draws what a fit returns for a batch; half of the activations are 0."""
  rng = np.random.default_rng(0)
  count, size, channels = pixels.shape
  units = config.representation_channels(channels)
  # Like real ones, they are compressed to about a half.
  base = np.maximum(rng.normal(size=(8, size, units)), 0).astype(dtype)
  representation = np.resize(base, (count, size, units))
  outputs = pixels + rng.normal(0, 0.1, pixels.shape).astype(np.float32)
  losses = np.full((count, config.num_steps(size)), 0.01, np.float32)
  return representation, outputs, losses


def main() -> None:
  from transforms import transform

  device = Device()
  transform._compiled_fit = lambda: device.fit
  parent.end_with(os.getppid())
  worker.work()


if __name__ == '__main__':
  main()
