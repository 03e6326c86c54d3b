"""Tells what a build would take: `python -m pipelines.build --plan`."""

from __future__ import annotations

from collections.abc import Callable

from linac_tfds import Cifar10Linac, LinacBuilderConfig
from pipelines.command_line import before_build
from pipelines.dataset.publish import published_fingerprint
from pipelines.errors import BuildError, printable
from pipelines.files import storage
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.preparation.make_plan import Settings, check_space, make_plan
from pipelines.runners.local import trial
from pipelines.runners.runner import Runner


def show_plan(
  configs: list[LinacBuilderConfig],
  make_builder: Callable[[LinacBuilderConfig], Cifar10Linac],
  settings: Settings,
  runner: Runner,
) -> None:
  """Prints shards, bytes and time; refuses what a build would refuse.

  Args:
    configs: as for `build.build_all`.
    make_builder: likewise.
    settings: likewise.
    runner: likewise.

  Raises:
    BuildError: if the build could not start.
    ValueError: naming the value, if a setting does not fit.
  """
  runner.check(settings)
  try:
    plans = [make_plan(make_builder(config), settings) for config in configs]
    runner.check_plan(plans[0])
    pending = [plan for plan in plans if _is_pending(plan)]
    if pending:
      check_space(pending)
      found = trial.run(pending[0])
  except storage.errors() as error:
    raise BuildError(f'{error}.') from error
  if pending:
    before_build.announce_plan(pending, settings, runner, configs, found)
    return
  folder = plans[0].directory if len(plans) == 1 else plans[0].data_dir
  text = f'Nothing is left to build: all is published in {folder}.'
  print(printable(text))


def _is_pending(plan: DatasetPlan) -> bool:
  return plan.overwrite or published_fingerprint(plan) != plan.fingerprint
