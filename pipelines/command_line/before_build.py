"""The announcement that a build prints before it starts."""

from __future__ import annotations

import dataclasses
import pathlib
import shlex

from linac_config import invocation
from pipelines.command_line.after_build import size_text
from pipelines.command_line.command import Command
from pipelines.dataset.metadata import INFO_FILE
from pipelines.dataset.state import finished_shards, shard_sizes
from pipelines.errors import printable
from pipelines.plan import private_key
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.plan.shards import DATASET
from pipelines.runners.local import devices
from pipelines.runners.local.trial import Trial
from pipelines.runners.runner import Runner

# The speed of a core at its slowest and at its fastest, in operations per
# second, to estimate the time of a build. Cores differ, and other programs may
# use them as well.
_CORE_FLOPS = {'float32': (50e9, 150e9), 'float64': (20e9, 60e9)}
_START = 'and 5 s to start'
# The most notes that are printed.
_MAX_NOTES = 10


def announce(
  plans: list[DatasetPlan], command: Command, runner: Runner
) -> None:
  """Says what the build is about to do, and how to continue after a stop.

  Args:
    plans: The plans of the datasets that are not finished yet.
    command: The command that builds them.
    runner: The runner of the build.
  """
  plan, num_images = plans[0], _num_images(plans)
  size = size_text(num_images * plan.example_bytes)
  lines = [
    f'Building {_names(plans)}',
    *_what(plans),
    f'  size     about {size} of {_format(plan)}',
    f'  time     {_time(plan, num_images, command, runner)}',
    *_notes(plans),
    'You can interrupt the build. This command continues where it stopped:',
    f'  {_resume_command(plan, command)}',
  ]
  print(printable('\n'.join(lines)), flush=True)


def announce_plan(
  plans: list[DatasetPlan], command: Command, runner: Runner, trial: Trial
) -> None:
  """Says what a build would do, and how much space and time it would take.

  Args:
    plans: The plans of the datasets that are not finished yet.
    command: The command that would build them.
    runner: The runner of the build.
    trial: The measured time and size of an image.
  """
  plan, num_images = plans[0], _num_images(plans)
  shards = [len(plan.shards()) for plan in plans]
  finished = [finished_shards(plan) for plan in plans]
  left = num_images - sum(
    shard_sizes(plan)[name]
    for plan, found in zip(plans, finished, strict=True)
    for name in found
  )
  done = f', {sum(map(len, finished)):,} finished' if any(finished) else ''
  num_bytes = round(num_images * trial.num_bytes)
  lines = [
    f'Would build {_names(plans)}',
    *_what(plans),
    f'  shards   {sum(shards):,}{done}',
    f'  bytes    {num_bytes:,} ({size_text(num_bytes)}) of {_format(plan)}',
    f'  time     {_time_left(left, trial, command, runner)}',
    *_notes(plans),
    'Bytes and time are estimates from a few images. This command builds it:',
    f'  {_resume_command(plan, command)}',
  ]
  print(printable('\n'.join(lines)), flush=True)


def _format(plan: DatasetPlan) -> str:
  """Names the dtype and the file format of a dataset."""
  return f'{plan.settings.storage_dtype}, {plan.settings.file_format}'


def _num_images(plans: list[DatasetPlan]) -> int:
  """The number of images of all datasets."""
  return sum(plan.num_examples for plan in plans)


def _what(plans: list[DatasetPlan]) -> list[str]:
  """Writes lines on the source, the images and the folder of the build."""
  plan, count = plans[0], len(plans)
  splits = ', '.join(f'{name} {size:,}' for name, size in plan.splits)
  each = f'{count} x {plan.num_examples:,}: ' if count > 1 else ''
  folder = plan.directory if count == 1 else plan.directory.parents[1]
  return [
    f'  from     {plan.source.name} {plan.source.version} in '
    f'{plan.source.directory}',
    f'  images   {_num_images(plans):,} ({each}{splits})',
    f'  into     {folder}',
  ]


def _names(plans: list[DatasetPlan]) -> str:
  """Names the dataset, or the first and the last of several."""
  first, last = plans[0].config_name, plans[-1].config_name
  if len(plans) == 1:
    return f'cifar10_linac/{first}'
  return f'{len(plans)} datasets, cifar10_linac/{first} to {last}'


def _time(
  plan: DatasetPlan, num_images: int, command: Command, runner: Runner
) -> str:
  """Estimates the time of a build from the speeds of usual cores."""
  if not runner.is_local:
    return f'depends on the workers of {runner.name}'
  num_workers = runner.num_workers(command.settings)
  where = f'on {devices.describe(num_workers)}'
  if devices.gpus():
    if plan.config.arithmetic == 'canonical':
      where += (
        ', whose driver first translates the kernel of the fit, which takes '
        'seconds and is done once'
      )
    return f'{where}; pass --plan to have it estimated'
  flops = plan.config.flops(plan.source.schema.shape) * num_images
  slow, fast = _CORE_FLOPS[plan.config.precision]
  seconds = _duration(flops / fast / num_workers, flops / slow / num_workers)
  return f'{seconds} {where}, {_START}'


def _time_left(
  num_images: int, trial: Trial, command: Command, runner: Runner
) -> str:
  """Estimates the time of a build from the measured time of an image."""
  each = f'{trial.seconds:.3g} s an image'
  seconds = num_images * trial.seconds
  if not runner.is_local:
    return (
      f'{_duration(seconds)} if one worker like this machine did it all, '
      f'{each}; the workers of {runner.name} share it'
    )
  num_workers = runner.num_workers(command.settings)
  return (
    f'{_duration(seconds / num_workers)} on {devices.describe(num_workers)}, '
    f'{each} and worker, {_START}'
  )


def _duration(*seconds: float) -> str:
  """Writes one or two numbers of seconds, such as `2.5 to 5.0 hours`."""
  if max(seconds) < 1:
    return 'less than 1 s'
  units = {'s': 1, 'minutes': 60, 'hours': 3600}
  unit = next((u for u in units if max(seconds) < 60 * units[u]), 'hours')
  return f'{" to ".join(f"{s / units[unit]:.1f}" for s in seconds)} {unit}'


def _resume_command(plan: DatasetPlan, command: Command) -> str:
  """Writes the command line of this build, with the folders that it found."""
  key_file = plan.private_key and plan.private_key.file
  command = dataclasses.replace(
    command,
    data_dir=plan.data_dir,
    source_data_dir=plan.source.data_dir,
    settings=dataclasses.replace(command.settings, private_key_file=key_file),
    plan=False,
  )
  return f'{invocation.command("build")} {shlex.join(command.arguments())}'


def _notes(plans: list[DatasetPlan]) -> list[str]:
  """Writes notes on older versions, other builds and private keys, in lines."""
  notes = [
    note
    for plan in plans
    for note in (
      *_older_versions(plan),
      *_other_staging(plan),
      *_key_warnings(plan),
    )
  ]
  more = len(notes) - _MAX_NOTES
  if more > 0:
    notes[_MAX_NOTES:] = [f'... and so on, {more} more.']
  return notes


def _older_versions(plan: DatasetPlan) -> list[str]:
  """Writes a note on each older version that is prepared and stays as it is."""
  found = [
    path.parent
    for folder in _folders(plan)
    for path in folder.glob(f'[0-9]*/{INFO_FILE}')
  ]
  return [
    f'Version {path.name} is prepared and is kept: load it as '
    f'tfds.load({f"{DATASET}/{path.parent.name}:{path.name}"!r}, ...).'
    for path in sorted(found)
    if path.name != plan.version
  ]


def _folders(plan: DatasetPlan) -> set[pathlib.Path]:
  """The folders of the dataset's name, now and in its first version.

  Before version 2.0.0, XLA made all fits and no name mentions it.
  """
  first = dataclasses.replace(plan, version='1.0.0')
  plans = [plan, first] if plan.config.arithmetic == 'xla' else [plan]
  return {plan.directory.parent for plan in plans}


def _other_staging(plan: DatasetPlan) -> list[str]:
  """Writes a note on each unfinished build with other settings."""
  found = sorted(plan.directory.parent.glob('staging.*'))
  return [
    f'{folder} holds an unfinished build with other settings; delete it if you '
    'do not want to finish it.'
    if folder.name.startswith(f'staging.{plan.version}.')
    else f'{folder} holds an unfinished build of another version, which this '
    'version cannot continue; delete it.'
    for folder in found
    if folder != plan.staging
  ]


def _key_warnings(plan: DatasetPlan) -> list[str]:
  """Writes warnings if the private key is easy to guess or to read."""
  if not plan.private_key:
    return []
  found = private_key.warnings(plan.private_key, plan.config)
  return [f'warning: {text}' for text in found]
