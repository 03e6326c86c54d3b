"""Tells what a build would take: `python -m pipelines.build --plan`."""

from __future__ import annotations

from pipelines.command_line import before_build
from pipelines.command_line.command import Command
from pipelines.dataset.state import Kind, dataset_state
from pipelines.errors import BuildError, printable
from pipelines.files import storage
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.preparation.checks import check_space
from pipelines.preparation.make_plan import make_plan
from pipelines.runners.find_runner import find_runner
from pipelines.runners.local import trial


def show_plan(command: Command) -> None:
  """Prints shards, bytes and time; refuses what a build would refuse.

  Raises:
    BuildError: if the build could not start.
    ValueError: naming the value, if a setting does not fit.
  """
  runner = find_runner(command.runner, command.beam_flags)
  runner.check(command.settings)
  try:
    plans = [
      make_plan(command.builder(config), command.settings)
      for config in command.configs
    ]
    runner.check_plan(plans[0])
    pending = [plan for plan in plans if _is_pending(plan)]
    if pending:
      check_space(pending)
      found = trial.run(pending[0])
  except storage.errors() as error:
    raise BuildError(f'{error}.') from error
  if pending:
    before_build.announce_plan(pending, command, runner, found)
    return
  folder = plans[0].directory if len(plans) == 1 else plans[0].data_dir
  text = f'Nothing is left to build: all is published in {folder}.'
  print(printable(text))


def _is_pending(plan: DatasetPlan) -> bool:
  """Whether there are shards to fit."""
  state = dataset_state(plan)
  done = state.kind in (Kind.PUBLISHED, Kind.DAMAGED)
  return plan.settings.overwrite or not done or bool(state.damaged_shards)
