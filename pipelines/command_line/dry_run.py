"""Estimates the space and time of a build, for `--plan`."""

from __future__ import annotations

from pipelines.command_line import before_build
from pipelines.command_line.command import Command
from pipelines.dataset.state import Kind, state_for_build
from pipelines.errors import BuildError, printable
from pipelines.files import storage
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.preparation.checks import check_space
from pipelines.preparation.make_plan import make_plan
from pipelines.runners.find_runner import find_runner
from pipelines.runners.local import trial


def show_plan(command: Command) -> None:
  """Prints how many shards, bytes and hours a build would take.

  It makes the same checks as a build, and no dataset.

  Raises:
    BuildError: if the build could not start.
    ValueError: if a setting does not fit; the message names its value.
  """
  runner = find_runner(command.runner, command.beam_flags)
  runner.check(command.settings)
  runner.check_transform(command.transform, command.settings)
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
  text = f'Nothing is left to build: everything is published in {folder}.'
  print(printable(text))


def _is_pending(plan: DatasetPlan) -> bool:
  """Whether the dataset has shards that are not fitted yet or damaged."""
  state = state_for_build(plan)
  done = state.kind in (Kind.PUBLISHED, Kind.DAMAGED)
  return plan.settings.overwrite or not done or bool(state.damaged_shards)
