"""Progress of a build: the shards whose manifests are there."""

from __future__ import annotations

import os
import pathlib
import sys
import time

from tqdm import tqdm

from pipelines.manifest import manifest_path
from pipelines.plan import MANIFESTS, DatasetPlan


class Progress:
  """A bar of images fitted, with images/s and time left.

  It looks at the staging folder alone, so it works for any runner.
  """

  def __init__(self, plan: DatasetPlan):
    self._sizes = {manifest_path(plan, s).name: s.size for s in plan.shards()}
    self._staged = plan.staging / MANIFESTS
    self._staged.mkdir(parents=True, exist_ok=True)
    self._published = plan.directory / MANIFESTS
    self._first = self._manifests()
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

  def update(self) -> None:
    """Counts the shards finished since the last look."""
    now = self._manifests()
    # One that was there may belong to a damaged shard, and is written again.
    self.fitted = self._images(dict(now.items() - self._first.items()))
    self.reused = self._images(now) - self.fitted
    self._bar.update(self.fitted + self.reused - self._bar.n)

  def close(self) -> None:
    """Leaves the bar as it is."""
    self.seconds = time.monotonic() - self._start
    self._bar.close()

  def _manifests(self) -> dict[str, int]:
    """When each manifest was written, in nanoseconds."""
    try:
      return self._times(self._staged)
    except FileNotFoundError:  # Published: the staging folder is gone.
      return self._times(self._published)

  def _times(self, folder: pathlib.Path) -> dict[str, int]:
    return {
      path.name: path.stat().st_mtime_ns
      for path in os.scandir(folder)
      if path.name in self._sizes  # Others come and go.
    }

  def _images(self, manifests: dict[str, int]) -> int:
    return sum(self._sizes[name] for name in manifests)
