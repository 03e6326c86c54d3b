"""The interface of all runners.

To add a runner, write a subclass of `Runner` and a branch in `find_runner.py`.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator

from linac_config import KeylessConfig
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.plan.settings import Settings
from pipelines.runners.progress import Progress
from pipelines.runners.worker_hints import check_canonical


class Runner:
  """The interface of all runners: it checks a build and runs it.

  Attributes:
    name: The name of the Beam runner, as the user wrote it.
    flags: The options of the Beam runner, as the user wrote them.
    is_local: Whether the workers are processes on this machine.
    ignored: The names of settings that have no effect with this runner, and
      that it refuses for this reason.
  """

  is_local = False
  ignored: tuple[str, ...] = ()

  def __init__(self, name: str, flags: tuple[str, ...]):
    self.name = name
    self.flags = flags

  def register_options(self) -> None:
    """Makes the runner's own options known to Beam's parser.

    Raises:
      ValueError: if a library is missing; the message names the extra to
        install.
    """

  def check(self, settings: Settings) -> None:
    """Refuses settings and options that this runner cannot use.

    Raises:
      ValueError: if there is one; the message names it and its value.
      BuildError: if this machine has too little memory for a worker.
    """
    for name in self.ignored:
      if getattr(settings, name) is not None:
        raise ValueError(
          f'{name}={getattr(settings, name)!r} is for workers that a runner '
          'starts on other machines. Leave it out, or pass another --runner, '
          'such as DataflowRunner.'
        )

  def check_transform(
    self, transform: KeylessConfig, settings: Settings
  ) -> None:
    """Refuses a transform that the devices of the workers cannot compute.

    Raises:
      ValueError: if the accelerator cannot compute the arithmetic; the message
        names both.
    """
    if settings.accelerator and transform.arithmetic == 'canonical':
      check_canonical(settings.accelerator)

  def check_plan(self, plan: DatasetPlan) -> None:
    """Refuses a plan with folders or a private key that workers cannot read.

    Raises:
      BuildError: if there is one; the message names it.
    """

  @contextlib.contextmanager
  def started(self, settings: Settings) -> Iterator[None]:
    """Starts processes that `run` needs, and ends them with the `with` block.

    They start up while the build is planned. Some runners need none.

    Args:
      settings: The settings of the build.
    """
    del settings
    yield

  def run(
    self, plans: list[DatasetPlan], settings: Settings, progress: Progress
  ) -> Counter[str] | None:
    """Builds datasets whose plans are saved in their staging folders.

    Args:
      plans: The plans of the datasets.
      settings: The settings of the build.
      progress: The progress bar, which the runner updates.

    Returns:
      The totals of the workers' metrics by name, which are empty where the
      runner shows them in a UI of its own; or None if the build was handed over
      and has not ended.

    Raises:
      BuildError: if the build failed as a whole.
    """
    raise NotImplementedError
