"""Which Beam runner is meant."""

from __future__ import annotations

_LOCAL = ('directrunner', 'fnapirunner', 'switchingdirectrunner')


def is_local(runner) -> bool:
  """Whether a runner, by name or as an object, stands for this machine."""
  return runner is None or _name(runner) in _LOCAL


def is_dask(runner) -> bool:
  """Whether it is Beam's DaskRunner."""
  return runner is not None and _name(runner) == 'daskrunner'


def _name(runner) -> str:
  name = runner if isinstance(runner, str) else type(runner).__name__
  return name.rpartition('.')[2].lower()
