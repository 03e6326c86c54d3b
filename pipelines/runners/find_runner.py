"""Finds a runner by its name."""

from __future__ import annotations

from pipelines.runners.runner import Runner

_LOCAL = ('directrunner', 'fnapirunner', 'switchingdirectrunner')


def find_runner(name: str | None, flags: tuple[str, ...] = ()) -> Runner:
  """Finds a runner by its name.

  Args:
    name: The name of a Beam runner, such as `'DataflowRunner'` or, shorter,
      `'dataflow'`; None for this machine.
    flags: The options of the Beam runner, as the user wrote them.
  """
  # The imports are here, so that only the libraries of this runner are loaded.
  short = (name or 'directrunner').rpartition('.')[2].lower()
  short = short if short.endswith('runner') else f'{short}runner'
  if short in _LOCAL:
    from pipelines.runners.local.runner import LocalRunner as kind
  elif short == 'daskrunner':
    from pipelines.runners.dask_cluster import DaskRunner as kind
  elif short == 'dataflowrunner':
    from pipelines.runners.dataflow import DataflowRunner as kind
  else:
    from pipelines.runners.beam_runner import BeamRunner as kind
  return kind(name or 'DirectRunner', flags)
