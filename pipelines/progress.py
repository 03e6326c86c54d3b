"""Progress of a build: the shards whose manifests are there."""

from __future__ import annotations

import sys
import time

from tqdm import tqdm

from pipelines import storage
from pipelines.plan import MANIFESTS, PLAN_FILE, DatasetPlan


class Progress:
  """A bar of images fitted, with images/s and time left.

  It looks at the dataset's folders alone, so it works for any runner, and for
  a build that another process started.
  """

  def __init__(self, plan: DatasetPlan, since: float | None = None):
    """Draws the bar.

    Args:
      plan: of the build.
      since: when the build started, in seconds since the epoch; shards finished
        earlier were found finished. Default: now.
    """
    self._plan = plan
    self._sizes = shard_sizes(plan)
    # Seconds between looks; in a bucket they are requests.
    self._interval = 5 if storage.is_remote(plan.staging) else 0
    self._last_look = 0.0
    now = time.time()
    self._last = finished_shards(plan, self._sizes)
    self._first = {
      name: at for name, at in self._last.items() if since is None or at < since
    }
    self.reused = self._images(self._first)
    self.fitted = 0
    age = 0 if since is None else max(0, now - since)
    self._start = time.monotonic() - age
    # Only a terminal can redraw a line.
    self._bar = tqdm(
      total=plan.num_examples,
      initial=self.reused,
      unit=' images',
      desc='Fitting',
      mininterval=0.5 if sys.stderr.isatty() else 30,
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
    if not at_once and time.monotonic() < self._last_look + self._interval:
      return
    self._last_look = time.monotonic()
    # Publishing takes them away from staging one by one.
    self._last |= finished_shards(self._plan, self._sizes)
    now = self._last
    # One that was there may belong to a damaged shard, and is written again.
    self.fitted = self._images(dict(now.items() - self._first.items()))
    self.reused = self._images(now) - self.fitted
    self._bar.update(self.fitted + self.reused - self._bar.n)

  def close(self) -> None:
    """Leaves the bar as it is."""
    self.seconds = time.monotonic() - self._start
    self._bar.close()

  def _images(self, manifests: dict[str, float]) -> int:
    return sum(self._sizes[name] for name in manifests)


def shard_sizes(plan: DatasetPlan) -> dict[str, int]:
  """Examples of each shard, by the file name of its manifest."""
  return {
    f'{shard.file_name(plan.file_format)}.json': shard.size
    for shard in plan.shards()
  }


def finished_shards(
  plan: DatasetPlan, sizes: dict[str, int]
) -> dict[str, float]:
  """When each manifest there is was written, in seconds since the epoch.

  Args:
    plan: of the dataset.
    sizes: of its shards; other files come and go.
  """
  # Once all is published, staging is removed, the plan last.
  in_staging = (plan.staging / PLAN_FILE).exists()
  folder = plan.staging if in_staging else plan.directory
  times = storage.times(folder / MANIFESTS)
  return {name: times[name] for name in times.keys() & sizes.keys()}
