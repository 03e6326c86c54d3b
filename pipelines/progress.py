"""Progress of a build: the shards whose manifests are there."""

from __future__ import annotations

import sys
import time

from tqdm import tqdm

from pipelines import storage
from pipelines.manifest import manifest_path
from pipelines.plan import MANIFESTS, PLAN_FILE, DatasetPlan


class Progress:
  """A bar of images fitted, with images/s and time left.

  It looks at the staging folder alone, so it works for any runner.
  """

  def __init__(self, plan: DatasetPlan):
    self._sizes = {manifest_path(plan, s).name: s.size for s in plan.shards()}
    self._plan = plan.staging / PLAN_FILE
    self._staged = plan.staging / MANIFESTS
    # Seconds between looks; in a bucket they are requests.
    self._interval = 5 if storage.is_remote(plan.staging) else 0
    self._last_look = 0.0
    self._published = plan.directory / MANIFESTS
    self._last = {}
    self._first = self._look()
    self.reused = self._images(self._first)
    self.fitted = 0
    self._start = time.monotonic()
    # Only a terminal can redraw a line.
    self._bar = tqdm(
      total=plan.num_examples,
      initial=self.reused,
      unit=' images',
      desc='Fitting',
      mininterval=0.5 if sys.stderr.isatty() else 30,
      smoothing=0.05,
    )

  def update(self, *, at_once: bool = False) -> None:
    """Counts the shards finished since the last look.

    Args:
      at_once: whether to look again however short ago the last look was.
    """
    if not at_once and time.monotonic() < self._last_look + self._interval:
      return
    self._last_look = time.monotonic()
    self._last = now = self._look()
    # One that was there may belong to a damaged shard, and is written again.
    self.fitted = self._images(dict(now.items() - self._first.items()))
    self.reused = self._images(now) - self.fitted
    self._bar.update(self.fitted + self.reused - self._bar.n)

  def close(self) -> None:
    """Leaves the bar as it is."""
    self.seconds = time.monotonic() - self._start
    self._bar.close()

  def _look(self) -> dict[str, int]:
    """A number for each manifest, another one when it is written again."""
    # Once all is published, staging is gone, bit by bit, the plan last.
    folder = self._staged if self._plan.exists() else self._published
    found = self._last | storage.versions(folder)
    return {name: found[name] for name in found.keys() & self._sizes.keys()}

  def _images(self, manifests: dict[str, int]) -> int:
    return sum(self._sizes[name] for name in manifests)
