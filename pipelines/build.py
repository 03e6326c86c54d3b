r"""Builds a LINAC dataset.

The sample, offline, in a minute:

  python -m pipelines.build --source sample --data_dir /tmp/linac

CIFAR-10 under a seed of your own, on all cores of this machine:

  python -m pipelines.build --source cifar10 --data_dir /data --seed 42

The same command goes on after any interruption.
"""

from __future__ import annotations

import sys
from collections import Counter

import tensorflow_datasets as tfds

from linac_tfds import Cifar10Linac
from pipelines import (
  console,
  lock,
  options,
  private_key,
  publish,
  storage,
  summary,
)
from pipelines.errors import BuildError, printable
from pipelines.local import devices, launch
from pipelines.plan import FAILURE_FILE, MANIFESTS, DatasetPlan
from pipelines.prepare import Settings, check_folder, make_plan
from pipelines.progress import Progress
from pipelines.runners import is_local


def build(
  builder: Cifar10Linac,
  settings: Settings,
  runner=None,
  beam_options=None,
) -> None:
  """Builds the builder's dataset, or goes on where a build stopped.

  Prints what it is about to do, a progress bar and a summary.

  Args:
    builder: of the dataset; says the transform, the source and the folder.
    settings: the rest.
    runner: a Beam runner, by name or as an object; None, `'DirectRunner'` and
      `'FnApiRunner'` stand for pinned processes on this machine.
    beam_options: `PipelineOptions` for any other runner.

  Raises:
    BuildError: if it cannot start or go on; what is finished is kept.
    ValueError: naming the value, if a setting does not fit.
  """
  runner = runner or _option(beam_options, 'StandardOptions', 'runner')
  if is_local(runner):
    _refuse_hints(settings)
  try:
    folder = storage.path(builder.data_path.parent)
    check_folder(folder)
    with lock.only_build_in(folder):
      plan = make_plan(builder, settings)
      _build(plan, settings, runner, beam_options)
  except storage.errors() as error:
    raise BuildError(f'{error}. What is finished is kept.') from error


def _build(plan: DatasetPlan, settings: Settings, runner, beam_options) -> None:
  if publish.is_published(plan) and not plan.overwrite:
    publish.remove_staging(plan)
    summary.print_summary(plan)
    return
  num_workers = _num_workers(settings, beam_options)
  summary.announce(plan, settings, num_workers)
  if plan.private_key:
    private_key.save_id(plan.staging.parent, plan.private_key)
  (plan.staging / MANIFESTS).mkdir(parents=True, exist_ok=True)
  plan.save()
  if not plan.overwrite:
    publish.restage(plan)
  failure = plan.staging / FAILURE_FILE
  # What a killed build left behind.
  for leftover in (failure, *plan.staging.rglob('*.tmp*')):
    storage.remove(leftover)
  progress, totals = Progress(plan), Counter()
  try:
    if is_local(runner):
      totals = launch.run(plan, num_workers, progress)
    else:
      _check_reference(plan)
      # Importing Beam takes seconds.
      from pipelines import remote

      stagings = [str(plan.staging)]
      if not remote.run(stagings, settings, runner, beam_options):
        return
    progress.update(at_once=True)
  finally:
    progress.close()
  if failure.exists():
    raise BuildError(failure.read_text())
  summary.print_summary(plan, progress, totals)


def _num_workers(settings: Settings, beam_options) -> int:
  """Local processes: as set, as Beam's options say, or one per device."""
  number = settings.direct_num_workers
  mode = _option(beam_options, 'DirectOptions', 'direct_running_mode')
  if number is None and mode == 'multi_processing':
    number = _option(beam_options, 'DirectOptions', 'direct_num_workers')
  return number or devices.default_workers()


def _option(beam_options, view: str, name: str):
  if beam_options is None:
    return None  # Importing Beam takes seconds.
  from apache_beam.options import pipeline_options

  return getattr(beam_options.view_as(getattr(pipeline_options, view)), name)


def _refuse_hints(settings: Settings) -> None:
  for name in ('accelerator', 'worker_ram', 'compilation_cache'):
    if getattr(settings, name) is not None:
      raise ValueError(
        f'{name}={getattr(settings, name)!r} is for workers elsewhere; pass '
        '--runner, such as DataflowRunner, or leave it out.'
      )


def _check_reference(plan: DatasetPlan) -> None:
  if plan.private_key and plan.private_key.file is None:
    raise BuildError(
      f'Workers elsewhere have no {private_key.ENVIRONMENT}; pass '
      '--private_key_file.'
    )


def main(argv: list[str]) -> int:
  """Returns the exit status: 0, 1 for a failed build, 2 for bad arguments."""
  console.set_up()
  if not sys.stderr.isatty():
    tfds.disable_progress_bar()  # It draws over itself, which a file cannot.
  try:
    command = options.parse(argv)
    build(command.builder(), command.settings, command.runner, command.beam)
  except ValueError as error:
    print(f'error: {printable(str(error))}', file=sys.stderr)
    return 2
  except BuildError as error:
    print(f'error: {printable(str(error))}', file=sys.stderr)
    return 1
  except KeyboardInterrupt:
    print(
      '\nStopped. Finished shards are kept; the same command goes on.',
      file=sys.stderr,
    )
    return 130
  return 0


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))
