r"""Builds LINAC datasets.

The sample, offline, in a minute:

  python -m pipelines.build --source sample --data_dir /tmp/linac

CIFAR-10 under a seed of your own, on all cores of this machine:

  python -m pipelines.build --source cifar10 --data_dir /data --seed 42

Under seeds 0 to 9, in one run:

  python -m pipelines.build --source cifar10 --data_dir /data --seeds 0:10

After any interruption, run the same command again: it continues where the build
stopped. deploy/dataflow/README.md has the commands for Dataflow.
"""

from __future__ import annotations

if __name__ == '__main__':
  # The imports take a second or two. Ctrl-C must print no traceback meanwhile.
  from linac_config import entry

  entry.begin_imports()

import contextlib
import sys

import tensorflow_datasets as tfds

from linac_config import entry
from linac_tfds import LinacBuilderConfig
from pipelines.command_line import (
  after_build,
  before_build,
  console,
  dry_run,
  options,
)
from pipelines.command_line.command import Command
from pipelines.dataset import publish
from pipelines.dataset.state import Kind, state_for_build
from pipelines.errors import BuildError, SourceError, printable
from pipelines.files import lock, storage
from pipelines.plan import private_key
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.plan.saved_plan import FAILURE_FILE, save_plan
from pipelines.preparation.checks import check_folder, check_space
from pipelines.preparation.make_plan import make_plan
from pipelines.runners.find_runner import find_runner
from pipelines.runners.progress import Progress
from pipelines.runners.runner import Runner

_KEPT = 'Finished shards are kept.'
_NOT_BEGUN = 'Stopped. Shards that earlier runs finished are kept.'


def build(command: Command) -> dict[str, str]:
  """Builds the datasets of a command, which differ only in their seeds.

  A dataset that fails is reported and does not stop the others. Prints what it
  is about to do, a progress bar and a summary.

  Returns:
    The reason of each failure, by the name of the dataset's config. It is empty
    if all datasets are there.

  Raises:
    BuildError: if no dataset can be built. Finished shards are kept.
    ValueError: if a setting does not fit; the message names its value.
  """
  runner = find_runner(command.runner, command.beam_flags)
  runner.check(command.settings)
  runner.check_transform(command.transform, command.settings)
  started = runner.started(command.settings)
  try:
    with started, contextlib.ExitStack() as locks:
      plans, failures = _plan_all(command, locks)
      if plans:
        # The user reads them now and not in some hours. They are printed again
        # at the end.
        after_build.print_failures(failures, len(command.configs))
        failures |= _build(plans, command, runner)
  except storage.errors() as error:
    raise BuildError(f'{error}. {_KEPT}') from error
  return failures


def _plan_all(
  command: Command, locks: contextlib.ExitStack
) -> tuple[list[DatasetPlan], dict[str, str]]:
  """Plans all datasets of a command.

  Args:
    command: The command.
    locks: The stack that takes the lock of each dataset's folder.

  Returns:
    The plans of the datasets that can be built, and the reason of each failure
    by the name of the dataset's config.

  Raises:
    SourceError: if the source cannot be read.
  """

  def plan(config: LinacBuilderConfig) -> DatasetPlan | str:
    try:
      return _plan(command, config, locks)
    except SourceError:
      raise  # All datasets have this source, so none of them can be built.
    except BuildError as error:
      return str(error)
    except storage.errors() as error:
      return f'{error}. {_KEPT}'

  first, *others = command.configs
  found = [plan(first)]
  # In a bucket, a plan takes dozens of requests, so plans are made in parallel.
  remote = isinstance(found[0], DatasetPlan) and _is_remote(found[0])
  found += storage.map_files(plan, others, remote)
  plans = [plan for plan in found if isinstance(plan, DatasetPlan)]
  reasons = {c.name: f for c, f in zip(command.configs, found, strict=True)}
  return plans, {k: v for k, v in reasons.items() if isinstance(v, str)}


def _plan(
  command: Command, config: LinacBuilderConfig, locks: contextlib.ExitStack
) -> DatasetPlan:
  """Plans a dataset; no other build can work on it until `locks` are closed.

  If its folder cannot be written, no other build can work on it either.

  Raises:
    BuildError: if the folder cannot be written and the dataset is not finished,
      or if the dataset cannot be planned.
  """
  builder = command.builder(config)
  folder = storage.path(builder.data_path.parent)
  try:
    check_folder(folder)
  except BuildError:
    if not builder.prepared or command.settings.overwrite:
      raise
    plan = make_plan(builder, command.settings)
    if state_for_build(plan).kind is not Kind.PUBLISHED:
      raise
    return plan
  locks.enter_context(lock.only_build_in(folder, command.wait))
  return make_plan(builder, command.settings)


def _build(
  plans: list[DatasetPlan], command: Command, runner: Runner
) -> dict[str, str]:
  """Builds the datasets that are not finished yet, and prints a summary.

  Returns:
    The reason of each failure, by the name of the dataset's config.
  """
  progress, totals, failures = None, None, {}
  runner.check_plan(plans[0])
  remote = _is_remote(plans[0])
  done = storage.map_files(_is_done, plans, remote)
  pending = [p for p, is_done in zip(plans, done, strict=True) if not is_done]
  if pending:
    check_space(pending)
    before_build.announce(pending, command, runner)
    storage.map_files(_stage, pending, remote)
    progress = Progress(pending)
    totals = _run(pending, command, runner, progress)
    if totals is None:
      return {}
    failures = _failures(pending)
  if len(plans) > 1 or len(command.configs) > 1:
    after_build.print_summaries(plans, failures, progress, totals)
  elif not failures:
    after_build.print_summary(plans[0], progress, totals)
  return failures


def _run(
  plans: list[DatasetPlan], command: Command, runner: Runner, progress: Progress
):
  """Runs the pipeline and returns the totals of its metrics.

  They are None if the build was handed over to a runner and has not ended.

  Raises:
    KeyboardInterrupt: if the user presses Ctrl-C; it says what is saved.
  """
  try:
    totals = runner.run(plans, command.settings, progress)
    if totals is not None:
      progress.update(at_once=True)
    return totals
  except KeyboardInterrupt as interrupt:
    progress.update(at_once=True)
    finished = progress.fitted + progress.reused
    stopped = (
      f'Stopped. {finished:,} of {progress.total:,} images are saved; the same '
      'command goes on from there.'
    )
    raise KeyboardInterrupt(str(interrupt) or stopped) from None
  finally:
    progress.close()


def _failures(plans: list[DatasetPlan]) -> dict[str, str]:
  """Reads why datasets were not published, by their configs' names."""
  files = {plan.config_name: plan.staging / FAILURE_FILE for plan in plans}
  return {
    name: f.read_text(encoding='utf-8', errors='replace')
    for name, f in files.items()
    if f.exists()
  }


def _is_remote(plan: DatasetPlan) -> bool:
  """Whether the dataset is built in a bucket."""
  return storage.is_remote(plan.staging)


def _is_done(plan: DatasetPlan) -> bool:
  """Whether a dataset is published and sound.

  Describing files that are damaged are repaired, as this needs no fit. What an
  earlier build left behind is removed.
  """
  if plan.settings.overwrite:
    return False
  state = state_for_build(plan)
  if state.kind is Kind.DAMAGED and not state.damaged_shards:
    publish.mend_texts(plan, state)
  elif state.kind is not Kind.PUBLISHED:
    return False
  # What cannot be removed does no harm.
  with contextlib.suppress(*storage.errors()):
    publish.remove_staging(plan)
    storage.remove_parts(plan.directory)
  return True


def _stage(plan: DatasetPlan) -> None:
  """Prepares the staging folder for the workers.

  It gets the plan and, unless `overwrite` is set, the sound shards of a dataset
  that was published before.
  """
  if plan.private_key:
    private_key.save_id(plan.staging.parent, plan.private_key)
  save_plan(plan)
  if not plan.settings.overwrite:
    publish.restage(plan)
  # A build that was killed may have left these behind.
  storage.remove(plan.staging / FAILURE_FILE)
  for folder in (plan.staging, plan.directory):
    storage.remove_parts(folder)


def main(argv: list[str]) -> int:
  """Runs the command and returns the exit status, which `--help` explains."""
  console.set_up()
  if not sys.stderr.isatty():
    # The bar redraws its line, which would fill a file with copies of it.
    tfds.disable_progress_bar()
  failures = {}
  try:
    command = options.parse(argv)
    if command.verbose:
      console.be_verbose()
    if command.plan:
      dry_run.show_plan(command)
    else:
      failures = build(command)
  except ValueError as error:
    print(f'error: {printable(str(error))}', file=sys.stderr)
    return 2
  except BuildError as error:
    print(f'error: {printable(str(error))}', file=sys.stderr)
    return 1
  except KeyboardInterrupt as interrupt:
    print(f'\n{str(interrupt) or _NOT_BEGUN}', file=sys.stderr)
    return entry.stop_status()
  after_build.print_failures(failures, len(command.configs))
  return 1 if failures else 0


if __name__ == '__main__':
  entry.end_imports()
  sys.exit(main(sys.argv[1:]))
