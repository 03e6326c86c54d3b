"""The progress of a build: a bar that counts the manifests of its shards."""

from __future__ import annotations

import contextlib
import os
import pathlib
import sys
import threading
import time
from collections.abc import Iterable, Iterator

from tqdm import tqdm

from linac_config import processes
from pipelines.dataset.state import finished_shards, shard_sizes
from pipelines.files import storage
from pipelines.plan.dataset_plan import DatasetPlan

# The largest share of a build's time that may go into counting its shards.
_COUNTING_SHARE = 0.1


class Progress:
  """A bar of images fitted, with images/s and time left.

  It looks only at the datasets' folders, so it works for any runner, and for
  a build that another process started.

  Attributes:
    total: The number of images of all datasets.
    fitted: The number of images in shards that this build has finished.
    reused: The number of images in shards that were finished before it.
    seconds: The time that the build took, in seconds; set by `close`.
  """

  def __init__(self, plans: list[DatasetPlan], since: float | None = None):
    """Draws the bar.

    Args:
      plans: The plans of the datasets.
      since: The time at which the build started, in seconds since the epoch, or
        None for now. Shards finished before it count as reused.
    """
    self._plans = plans
    self._sizes = {plan.staging: shard_sizes(plan) for plan in plans}
    self._remote = storage.is_remote(plans[0].staging)
    self._next_look = 0.0
    now = time.time()
    self._last = self._look()
    self._first = {
      shard: at
      for shard, at in self._last.items()
      if since is None or at < since
    }
    self.reused = self._images(self._first)
    self.fitted = 0
    self.total = sum(plan.num_examples for plan in plans)
    age = 0 if since is None else max(0, now - since)
    self._start = time.monotonic() - age
    self._bar = tqdm(
      total=self.total,
      initial=self.reused,
      unit=' images',
      desc='Fitting',
      mininterval=0.5 if _can_redraw() else 30,
      smoothing=0.05,
      delay=1e-9,  # The bar is not drawn before it has counted.
    )
    # The speed of a build in another process is taken over its whole run, and
    # not since this bar was drawn.
    self._bar.start_t -= age
    self._bar.last_print_t -= age
    self.update()
    self._bar.refresh()

  def update(self, *, at_once: bool = False) -> None:
    """Counts finished shards again and redraws the bar.

    Args:
      at_once: Whether to count even if the last count was a moment ago.
    """
    began = time.monotonic()
    if not at_once and began < self._next_look:
      return
    # Shards that were seen stay counted, since publishing removes them from the
    # staging folder one by one.
    self._last |= self._look()
    # In a bucket, counting makes requests, which cost money.
    least = 5 if self._remote else 0
    ended = time.monotonic()
    self._next_look = ended + max(least, (ended - began) / _COUNTING_SHARE)
    now = self._last
    # A manifest with a new time was written again for a shard that was damaged,
    # and counts as fitted.
    self.fitted = self._images(dict(now.items() - self._first.items()))
    self.reused = self._images(now) - self.fitted
    self._bar.update(self.fitted + self.reused - self._bar.n)

  @contextlib.contextmanager
  def followed(self) -> Iterator[None]:
    """Updates the bar in a thread, until the `with` block ends."""
    stop = threading.Event()

    def follow():
      while not stop.wait(1):
        # A folder that cannot be read now may be readable the next time.
        with contextlib.suppress(*storage.errors()):
          self.update()

    thread = threading.Thread(target=follow, name='progress', daemon=True)
    thread.start()
    try:
      yield
    finally:
      stop.set()
      thread.join()

  def close(self) -> None:
    """Ends the bar, which stays on the screen as it is."""
    self.seconds = time.monotonic() - self._start
    self._bar.close()

  def _look(self) -> dict[tuple[pathlib.Path, str], float]:
    """Finds the finished shards of all datasets.

    Returns:
      The time at which each of them was finished, in seconds since the epoch,
      by the staging folder and the name of the shard's manifest.
    """
    found = storage.map_files(
      lambda plan: finished_shards(plan, self._sizes[plan.staging]),
      self._plans,
      self._remote,
    )
    return {
      (plan.staging, name): at
      for plan, times in zip(self._plans, found, strict=True)
      for name, at in times.items()
    }

  def _images(self, shards: Iterable[tuple[pathlib.Path, str]]) -> int:
    """The number of images in shards."""
    return sum(self._sizes[staging][name] for staging, name in shards)


def _can_redraw() -> bool:
  """Whether standard error is shown on a terminal or in a notebook."""
  return sys.stderr.isatty() or processes.REDRAWS in os.environ
