r"""Builds LINAC datasets.

The sample, offline, in a minute:

  python -m pipelines.build --source sample --data_dir /tmp/linac

CIFAR-10 under a seed of your own, on all cores of this machine:

  python -m pipelines.build --source cifar10 --data_dir /data --seed 42

Under seeds 0 to 9, in one run:

  python -m pipelines.build --source cifar10 --data_dir /data --seeds 0:10

The same command goes on after any interruption. deploy/dataflow/README.md has
the commands for Dataflow.
"""

from __future__ import annotations

if __name__ == '__main__':
  # Before the imports, which take a second or two.
  from pipelines.command_line import interrupts

  interrupts.end_at_once()

import contextlib
import sys
from collections.abc import Callable

import tensorflow_datasets as tfds

from linac_tfds import Cifar10Linac, LinacBuilderConfig
from pipelines.command_line import (
  after_build,
  before_build,
  console,
  dry_run,
  options,
)
from pipelines.dataset import private_key, publish
from pipelines.dataset.plan import FAILURE_FILE, DatasetPlan
from pipelines.errors import BuildError, SourceError, printable
from pipelines.files import lock, storage
from pipelines.planning.make_plan import (
  Settings,
  check_folder,
  check_space,
  make_plan,
)
from pipelines.runners.progress import Progress
from pipelines.runners.runner import Runner

_KEPT = 'What is finished is kept.'
_NOT_BEGUN = 'Stopped. What earlier runs finished is kept.'


def build_all(
  configs: list[LinacBuilderConfig],
  make_builder: Callable[[LinacBuilderConfig], Cifar10Linac],
  settings: Settings,
  runner: Runner,
) -> dict[str, str]:
  """Builds datasets that differ in their seeds alone, in one run.

  Args:
    configs: of the datasets.
    make_builder: of a config.
    settings: the rest.
    runner: where to build.

  Returns:
    Why a dataset could not be built, by its config's name. It holds up no other
    one.

  Raises:
    BuildError: if none can be built; what is finished is kept.
    ValueError: naming the value, if a setting does not fit.
  """
  runner.check(settings)
  with contextlib.ExitStack() as locks:
    try:
      plans, failures = _plan_all(configs, make_builder, settings, locks)
      if plans:
        # Now rather than in some hours; they are told again at the end.
        after_build.print_failures(failures, len(configs))
        failures |= _build(plans, settings, runner, configs)
    except storage.errors() as error:
      raise BuildError(f'{error}. {_KEPT}') from error
  return failures


def _plan_all(
  configs: list[LinacBuilderConfig],
  make_builder: Callable[[LinacBuilderConfig], Cifar10Linac],
  settings: Settings,
  locks: contextlib.ExitStack,
) -> tuple[list[DatasetPlan], dict[str, str]]:
  """The plans of those that can be built, and why the others cannot."""

  def plan(config: LinacBuilderConfig) -> DatasetPlan | str:
    try:
      return _plan(make_builder(config), settings, locks)
    except SourceError:
      raise  # It is the same for all.
    except BuildError as error:
      return str(error)
    except storage.errors() as error:
      return f'{error}. {_KEPT}'

  first, *others = configs
  found = [plan(first)]
  # In a bucket, a plan takes dozens of requests.
  remote = isinstance(found[0], DatasetPlan) and _is_remote(found[0])
  found += storage.map_files(plan, others, remote)
  plans = [plan for plan in found if isinstance(plan, DatasetPlan)]
  reasons = {c.name: f for c, f in zip(configs, found, strict=True)}
  return plans, {k: v for k, v in reasons.items() if isinstance(v, str)}


def _plan(
  builder: Cifar10Linac, settings: Settings, locks: contextlib.ExitStack
) -> DatasetPlan:
  """The plan of a dataset that nobody else builds while `locks` are held."""
  folder = storage.path(builder.data_path.parent)
  check_folder(folder)
  locks.enter_context(lock.only_build_in(folder))
  return make_plan(builder, settings)


def _build(
  plans: list[DatasetPlan],
  settings: Settings,
  runner: Runner,
  configs: list[LinacBuilderConfig],
) -> dict[str, str]:
  """Builds those that are not there yet, and says what there is then."""
  progress, totals, failures = None, None, {}
  runner.check_plan(plans[0])
  remote = _is_remote(plans[0])
  done = storage.map_files(_is_done, plans, remote)
  pending = [p for p, is_done in zip(plans, done, strict=True) if not is_done]
  if pending:
    check_space(pending)
    before_build.announce(pending, settings, runner, configs)
    storage.map_files(_stage, pending, remote)
    progress = Progress(pending)
    try:
      totals = runner.run(pending, settings, progress)
      if totals is None:
        return {}
      progress.update(at_once=True)
    except KeyboardInterrupt as interrupt:
      progress.update(at_once=True)
      raise KeyboardInterrupt(str(interrupt) or _stopped(progress)) from None
    finally:
      progress.close()
    for plan in pending:
      failure = plan.staging / FAILURE_FILE
      if failure.exists():
        failures[plan.config_name] = failure.read_text()
  if len(configs) > 1:
    after_build.print_summaries(plans, failures, progress, totals)
  elif not failures:
    after_build.print_summary(plans[0], progress, totals)
  return failures


def _stopped(progress: Progress) -> str:
  finished = progress.fitted + progress.reused
  return (
    f'Stopped. {finished:,} of {progress.total:,} images are saved; the same '
    'command goes on from there.'
  )


def _is_remote(plan: DatasetPlan) -> bool:
  return storage.is_remote(plan.staging)


def _is_done(plan: DatasetPlan) -> bool:
  if plan.overwrite or not publish.mend_texts(plan):
    return False
  publish.remove_staging(plan)
  storage.remove_parts(plan.directory)
  return True


def _stage(plan: DatasetPlan) -> None:
  """Readies the staging folder for workers."""
  if plan.private_key:
    private_key.save_id(plan.staging.parent, plan.private_key)
  plan.save()
  if not plan.overwrite:
    publish.restage(plan)
  # What a killed build left behind.
  storage.remove(plan.staging / FAILURE_FILE)
  for folder in (plan.staging, plan.directory):
    storage.remove_parts(folder)


def main(argv: list[str]) -> int:
  """Returns the exit status, as `--help` tells it."""
  console.set_up()
  if not sys.stderr.isatty():
    tfds.disable_progress_bar()  # It draws over itself, which a file cannot.
  try:
    command = options.parse(argv)
    if command.verbose:
      console.be_verbose()
    do = dry_run.show_plan if command.plan else build_all
    failures = do(
      command.configs,
      command.builder,
      command.settings,
      Runner(command.runner, command.beam),
    )
  except ValueError as error:
    print(f'error: {printable(str(error))}', file=sys.stderr)
    return 2
  except BuildError as error:
    print(f'error: {printable(str(error))}', file=sys.stderr)
    return 1
  except KeyboardInterrupt as interrupt:
    print(f'\n{str(interrupt) or _NOT_BEGUN}', file=sys.stderr)
    return 130
  if failures:
    after_build.print_failures(failures, len(command.configs))
  return 1 if failures else 0


if __name__ == '__main__':
  interrupts.raise_again()
  sys.exit(main(sys.argv[1:]))
