"""The local runner: it checks the number of workers and starts the build."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator

from linac_config import KeylessConfig
from pipelines.errors import BuildError
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.plan.settings import Settings
from pipelines.runners.local import devices, launch
from pipelines.runners.progress import Progress
from pipelines.runners.runner import Runner


class LocalRunner(Runner):
  """A runner with worker processes on this machine, one per GPU or core."""

  is_local = True
  ignored = ('accelerator', 'worker_ram', 'compilation_cache')

  def check(self, settings: Settings) -> None:
    super().check(settings)
    most, number = devices.most_workers(), settings.direct_num_workers
    if number and number > most:
      raise ValueError(
        f'direct_num_workers={number} is more than the '
        f'{devices.describe(most)} that this process may use, and each worker '
        f'needs one; pass {most} or less.'
      )
    if not number and not devices.default_workers():
      raise BuildError(
        f'A worker needs {devices.needed_bytes() / 1e6:,.0f} MB of free '
        f'memory, but this process may use {devices.describe_limits()}. Give '
        'the machine or container more memory, or pass --direct_num_workers=1 '
        'to try it.'
      )

  def check_transform(
    self, transform: KeylessConfig, settings: Settings
  ) -> None:
    super().check_transform(transform, settings)
    if transform.arithmetic == 'canonical':
      devices.check_canonical()

  def num_workers(self, settings: Settings) -> int:
    """The number of worker processes: the user's choice, or the default."""
    return settings.direct_num_workers or devices.default_workers()

  @contextlib.contextmanager
  def started(self, settings: Settings) -> Iterator[None]:
    with launch.started(self.num_workers(settings)) as self._driver:
      yield

  def run(
    self, plans: list[DatasetPlan], settings: Settings, progress: Progress
  ) -> Counter[str]:
    num_workers = self.num_workers(settings)
    return launch.run(self._driver, num_workers, plans, progress)
