"""Progress of a build: the shards whose manifests are there."""

from __future__ import annotations

import os
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
    self._plan = plan
    self._pending = plan.shards()
    self._folder = plan.staging / MANIFESTS
    self._folder.mkdir(parents=True, exist_ok=True)
    self.reused = self._collect()
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
    images = self._collect()
    self.fitted += images
    self._bar.update(images)

  def close(self) -> None:
    """Leaves the bar as it is."""
    self.seconds = time.monotonic() - self._start
    self._bar.close()

  def _collect(self) -> int:
    try:
      present = {path.name for path in os.scandir(self._folder)}
    except FileNotFoundError:  # Published: the staging folder is gone.
      done = set(self._pending)
    else:
      done = {
        s for s in self._pending if manifest_path(self._plan, s).name in present
      }
    self._pending = [s for s in self._pending if s not in done]
    return sum(shard.size for shard in done)
