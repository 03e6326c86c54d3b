"""The interface of all runners.

A runner is added by a subclass of `Runner` and an entry in `find_runner.py`.
"""

from __future__ import annotations

from collections import Counter

from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.plan.settings import Settings
from pipelines.runners.progress import Progress


class Runner:
  """A place where builds run.

  Attributes:
    name: The name of the Beam runner, as the user wrote it.
    flags: The options of the Beam runner, as the user wrote them.
    is_local: Whether it runs processes on this machine.
    ignored: The settings that it cannot take into account, and so refuses.
  """

  is_local = False
  ignored: tuple[str, ...] = ()

  def __init__(self, name: str, flags: tuple[str, ...]):
    self.name = name
    self.flags = flags

  def register_options(self) -> None:
    """Makes the runner's own options known to Beam's parser.

    Raises:
      ValueError: naming the extra to install, if a library is missing.
    """

  def check(self, settings: Settings) -> None:
    """Refuses settings that this runner cannot take into account.

    Raises:
      ValueError: naming the setting or option.
    """
    for name in self.ignored:
      if getattr(settings, name) is not None:
        raise ValueError(
          f'{name}={getattr(settings, name)!r} is for workers that a runner '
          'starts elsewhere; pass --runner=DataflowRunner, or leave it out.'
        )

  def check_plan(self, plan: DatasetPlan) -> None:
    """Refuses a plan whose folders or key the workers could not use.

    Raises:
      BuildError: naming the folder or the key.
    """

  def run(
    self, plans: list[DatasetPlan], settings: Settings, progress: Progress
  ) -> Counter[str] | None:
    """Builds datasets whose plans are saved.

    Returns:
      The totals of the workers' metrics, which are empty where the runner has a
      UI of its own; or None if the build was handed over and has not ended.

    Raises:
      BuildError: if the build failed as a whole.
    """
    raise NotImplementedError
