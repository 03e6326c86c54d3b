"""Progress of a build: the shards whose manifests are there."""

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

# The share of its time that a build spends on looking how far it is, at most.
_LOOKING = 0.1


class Progress:
  """A bar of images fitted, with images/s and time left.

  It looks at the datasets' folders alone, so it works for any runner, and for
  a build that another process started.
  """

  def __init__(self, plans: list[DatasetPlan], since: float | None = None):
    """Draws the bar.

    Args:
      plans: of the datasets of the build.
      since: when the build started, in seconds since the epoch; shards finished
        earlier were found finished. Default: now.
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
      delay=1e-9,  # Not drawn before it has counted.
    )
    # What another process has fitted by now took it as long as it has run.
    self._bar.start_t -= age
    self._bar.last_print_t -= age
    self.update()
    self._bar.refresh()

  def update(self, *, at_once: bool = False) -> None:
    """Counts the shards finished since the last look.

    Args:
      at_once: whether to look again however short ago the last look was.
    """
    began = time.monotonic()
    if not at_once and began < self._next_look:
      return
    # Publishing takes them away from staging one by one.
    self._last |= self._look()
    # In a bucket, looks are requests, which are paid for.
    least = 5 if self._remote else 0
    ended = time.monotonic()
    self._next_look = ended + max(least, (ended - began) / _LOOKING)
    now = self._last
    # One that was there may belong to a damaged shard, and is written again.
    self.fitted = self._images(dict(now.items() - self._first.items()))
    self.reused = self._images(now) - self.fitted
    self._bar.update(self.fitted + self.reused - self._bar.n)

  @contextlib.contextmanager
  def followed(self) -> Iterator[None]:
    """Updates in a thread, while the caller waits for something else."""
    stop = threading.Event()

    def follow():
      while not stop.wait(1):
        # What cannot be read now can be later.
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
    """Leaves the bar as it is."""
    self.seconds = time.monotonic() - self._start
    self._bar.close()

  def _look(self) -> dict[tuple[pathlib.Path, str], float]:
    """When each shard of each dataset was finished, of those that are."""
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
    return sum(self._sizes[staging][name] for staging, name in shards)


def _can_redraw() -> bool:
  """Whether standard error is a terminal, or leads to one or a notebook."""
  return sys.stderr.isatty() or processes.REDRAWS in os.environ
