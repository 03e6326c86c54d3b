"""What a build says before it starts."""

from __future__ import annotations

import dataclasses
import shlex

from linac_config import config_names, invocation
from linac_tfds import LinacBuilderConfig
from pipelines.command_line import seed_ranges
from pipelines.command_line.after_build import size_text
from pipelines.dataset import private_key
from pipelines.dataset.metadata import INFO_FILE
from pipelines.dataset.plan import DatasetPlan
from pipelines.errors import printable
from pipelines.planning.make_plan import Settings
from pipelines.runners.local import devices
from pipelines.runners.local.trial import Trial
from pipelines.runners.progress import finished_shards, shard_sizes
from pipelines.runners.runner import Runner

# What a core fits at, to tell minutes from days; low, as shared cores are.
# benchmarks/RESULTS.md has 147e9 and 60e9 for a quiet one.
_CORE_FLOPS = {'float32': 100e9, 'float64': 40e9}
# The settings that a command must repeat to mean the same build.
_REPEATED = (
  'splits',
  'max_examples_per_split',
  'examples_per_shard',
  'storage_dtype',
  'min_psnr',
  'on_bad_example',
  'accelerator',
  'worker_ram',
  'compilation_cache',
)
# Printed of many.
_MAX_NOTES = 10


def announce(
  plans: list[DatasetPlan],
  settings: Settings,
  runner: Runner,
  configs: list[LinacBuilderConfig],
) -> None:
  """Says what the build is about to do, and how to go on after a stop.

  Args:
    plans: of the datasets that are not there yet; they differ in their seeds.
    settings: of the build.
    runner: of the build.
    configs: of all datasets that it was told to build.
  """
  plan, num_images = plans[0], _num_images(plans)
  size = size_text(num_images * plan.example_bytes)
  lines = [
    f'Building {_names(plans)}',
    *_what(plans),
    f'  size     about {size} of {plan.storage_dtype}, {plan.file_format}',
    f'  time     {_time(plan, num_images, settings, runner)}',
    *_notes(plans),
    'It can be interrupted; this goes on where it stopped:',
    f'  {shlex.join(_command(plan, settings, runner, configs))}',
  ]
  print(printable('\n'.join(lines)), flush=True)


def announce_plan(
  plans: list[DatasetPlan],
  settings: Settings,
  runner: Runner,
  configs: list[LinacBuilderConfig],
  trial: Trial,
) -> None:
  """Says what a build would do, and what it would take, from a trial."""
  plan, num_images = plans[0], _num_images(plans)
  shards = [len(plan.shards()) for plan in plans]
  finished = [finished_shards(plan, shard_sizes(plan)) for plan in plans]
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
    f'  bytes    {num_bytes:,} ({size_text(num_bytes)}) of '
    f'{plan.storage_dtype}, {plan.file_format}',
    f'  time     {_time_left(left, trial, settings, runner)}',
    *_notes(plans),
    'Bytes and time are estimates from two images. This builds it:',
    f'  {shlex.join(_command(plan, settings, runner, configs))}',
  ]
  print(printable('\n'.join(lines)), flush=True)


def _num_images(plans: list[DatasetPlan]) -> int:
  return sum(plan.num_examples for plan in plans)


def _what(plans: list[DatasetPlan]) -> list[str]:
  """From where to where, and how many images."""
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
  first, last = plans[0].config_name, plans[-1].config_name
  if len(plans) == 1:
    return f'cifar10_linac/{first}'
  return f'{len(plans)} datasets, cifar10_linac/{first} to {last}'


def _time(
  plan: DatasetPlan, num_images: int, settings: Settings, runner: Runner
) -> str:
  if not runner.is_local:
    return f'a matter of the workers of {runner.name}'
  num_workers = runner.num_workers(settings)
  where = f'on {devices.describe(num_workers)}'
  if devices.gpus():
    return f'{where}; no GPU has been measured yet'
  flops = plan.config.flops(plan.source.schema.shape) * num_images
  seconds = flops / _CORE_FLOPS[plan.config.precision] / num_workers
  return f'about {_duration(seconds)} {where}, and 10 s to start'


def _time_left(
  num_images: int, trial: Trial, settings: Settings, runner: Runner
) -> str:
  each = f'{trial.seconds:.3g} s an image'
  seconds = num_images * trial.seconds
  if not runner.is_local:
    return (
      f'{_duration(seconds)} of one worker like this machine, {each}, shared '
      f'by those of {runner.name}'
    )
  num_workers = runner.num_workers(settings)
  return (
    f'{_duration(seconds / num_workers)} on {devices.describe(num_workers)}, '
    f'{each} and worker, and 10 s to start'
  )


def _duration(seconds: float) -> str:
  if seconds < 3600:
    return f'{seconds / 60:.1f} minutes'
  return f'{seconds / 3600:.1f} hours'


def _command(
  plan: DatasetPlan,
  settings: Settings,
  runner: Runner,
  configs: list[LinacBuilderConfig],
) -> list[str]:
  """The command line of this build."""
  options = {
    'data_dir': plan.data_dir,
    'source': plan.source.name,
    'source_data_dir': plan.source.data_dir,
    'file_format': plan.file_format,
  }
  if key := plan.private_key:
    options['config_name'] = key.name
    if key.file:
      options['private_key_file'] = key.file
  elif len(configs) == 1:
    options['seed'] = plan.config.seed
  else:
    options['seeds'] = seed_ranges.show(config.linac.seed for config in configs)
  for field in dataclasses.fields(plan.config):
    value = getattr(plan.config, field.name)
    if field.name != 'seed' and value != field.default:
      options[field.name] = config_names.format_field(value)
  for field in dataclasses.fields(settings):
    value = getattr(settings, field.name)
    if value != field.default and field.name in _REPEATED:
      options[field.name] = ','.join(value) if field.name == 'splits' else value
  command = invocation.command('build').split()
  command += [f'--{name}={value}' for name, value in options.items()]
  command += ['--strict_devices'] * settings.strict_devices
  return command + ['--overwrite'] * settings.overwrite + runner.arguments()


def _notes(plans: list[DatasetPlan]) -> list[str]:
  """What there is to know beside the build, a line each."""
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
  """Of each version that is prepared and stays as it is."""
  found = sorted(plan.directory.parent.glob(f'[0-9]*/{INFO_FILE}'))
  versions = [path.parent.name for path in found]
  return [
    f'Version {version} is prepared and stays: load it as '
    f"tfds.load('cifar10_linac/{plan.config_name}:{version}', ...)."
    for version in versions
    if version != plan.version
  ]


def _other_staging(plan: DatasetPlan) -> list[str]:
  """Of each unfinished build of other settings."""
  found = sorted(plan.directory.parent.glob('staging.*'))
  return [
    f'{folder} holds an unfinished build with other settings; delete it if you '
    'do not want to go on with it.'
    for folder in found
    if folder != plan.staging
  ]


def _key_warnings(plan: DatasetPlan) -> list[str]:
  if not plan.private_key:
    return []
  found = private_key.warnings(plan.private_key, plan.config)
  return [f'warning: {text}' for text in found]
