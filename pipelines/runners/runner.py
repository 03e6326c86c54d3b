"""Where a build runs: on this machine, or on workers elsewhere."""

from __future__ import annotations

from collections import Counter

from pipelines.dataset import private_key
from pipelines.dataset.plan import DatasetPlan
from pipelines.errors import BuildError
from pipelines.planning.make_plan import Settings
from pipelines.runners.local import devices, launch
from pipelines.runners.progress import Progress

_LOCAL = ('directrunner', 'fnapirunner', 'switchingdirectrunner')
# What a runner is to look for.
_HINTS = ('accelerator', 'worker_ram')


class Runner:
  """A Beam runner and its options.

  Attributes:
    name: of the runner.
    is_local: whether it stands for processes on this machine.
  """

  def __init__(self, runner, beam_options):
    """Takes what a build is told.

    Args:
      runner: a Beam runner, by name or as an object; None, `'DirectRunner'` and
        `'FnApiRunner'` stand for pinned processes on this machine.
      beam_options: `PipelineOptions` for any other runner.
    """
    self._runner = runner or _option(beam_options, 'StandardOptions', 'runner')
    self._options = beam_options
    self.name = _spelled(self._runner)
    self.is_local = is_local(self._runner)

  def check(self, settings: Settings) -> None:
    """Refuses what this runner would not heed, or not as it is meant.

    Raises:
      ValueError: naming the setting or option.
    """
    unheeded = ()
    if self.is_local:
      unheeded = (*_HINTS, 'compilation_cache')
    elif is_dask(self._runner):
      unheeded = _HINTS
    for name in unheeded:
      if getattr(settings, name) is not None:
        raise ValueError(
          f'{name}={getattr(settings, name)!r} is for workers that a runner '
          'starts elsewhere; pass --runner=DataflowRunner, or leave it out.'
        )

    if not self.is_local and self._options:
      from pipelines.runners import remote

      remote.check(self._options)

  def check_plan(self, plan: DatasetPlan) -> None:
    """Refuses what workers elsewhere could not read or write.

    Raises:
      BuildError: naming it.
    """
    if self.is_local:
      return
    on_dataflow = _name(self._runner) == 'dataflowrunner'
    if plan.private_key and plan.private_key.file is None:
      raise BuildError(
        f'Workers elsewhere have no {private_key.ENVIRONMENT}; pass '
        '--private_key_file.'
      )
    for name, folder in {
      'data_dir': plan.data_dir,
      'source_data_dir': plan.source.data_dir,
      'private_key_file': plan.private_key and plan.private_key.file,
    }.items():
      if on_dataflow and folder and '://' not in folder:
        raise BuildError(
          f'{name}={folder} is on this machine, where workers of Dataflow find '
          'nothing; copy it to a bucket and pass a path of gs://.'
        )

  def arguments(self) -> list[str]:
    """The options of a command line that stand for this."""
    if self.is_local:
      return []
    # As they were written; Beam's own list of them knows no flag's spelling.
    flags = self._options._flags if self._options else []
    return [f'--runner={self.name}', *flags]

  def num_workers(self, settings: Settings) -> int:
    """Local processes: as set, as Beam's options say, or one per device."""
    number = settings.direct_num_workers
    mode = _option(self._options, 'DirectOptions', 'direct_running_mode')
    if number is None and mode == 'multi_processing':
      number = _option(self._options, 'DirectOptions', 'direct_num_workers')
    return number or devices.default_workers()

  def run(
    self, plans: list[DatasetPlan], settings: Settings, progress: Progress
  ) -> Counter[str] | None:
    """Builds datasets whose plans are saved.

    Returns:
      The totals of the workers' metrics, none where the runner has a UI of its
      own; or None if the build has not ended, see `remote.run`.

    Raises:
      BuildError: if it failed as a whole.
    """
    if self.is_local:
      return launch.run(plans, self.num_workers(settings), progress)
    # Importing Beam takes seconds.
    from pipelines.runners import remote

    stagings = [str(plan.staging) for plan in plans]
    with progress.followed():
      ended = remote.run(stagings, settings, self._runner, self._options)
    return Counter() if ended else None


def is_local(runner) -> bool:
  """Whether a runner, by name or as an object, stands for this machine."""
  return runner is None or _name(runner) in _LOCAL


def is_dask(runner) -> bool:
  """Whether it is Beam's DaskRunner."""
  return _name(runner) == 'daskrunner'


def _name(runner) -> str:
  """Its name in lower case; Beam takes `dask` for `DaskRunner`."""
  name = _spelled(runner).lower()
  return name if name.endswith('runner') else f'{name}runner'


def _spelled(runner) -> str:
  name = runner if isinstance(runner, str) else type(runner).__name__
  return name.rpartition('.')[2]


def _option(beam_options, view: str, name: str):
  if beam_options is None:
    return None  # Importing Beam takes seconds.
  from apache_beam.options import pipeline_options

  return getattr(beam_options.view_as(getattr(pipeline_options, view)), name)
