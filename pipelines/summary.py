"""What a build says before and after."""

from __future__ import annotations

import dataclasses
import shlex
from collections import Counter

from linac_tfds import config_names
from pipelines import json_file, metrics, private_key, storage
from pipelines.errors import BuildError, printable
from pipelines.local import devices
from pipelines.manifest import Manifest
from pipelines.plan import MANIFESTS, DatasetPlan
from pipelines.prepare import Settings
from pipelines.progress import Progress
from pipelines.publish import BAD_EXAMPLES_FILE, INFO_FILE, METADATA_FILE

# What a core fits at, to tell minutes from days; low, as shared cores are.
# benchmarks/RESULTS.md has 147e9 and 60e9 for a quiet one.
_CORE_FLOPS = {'float32': 100e9, 'float64': 40e9}
# The settings that a command must repeat to mean the same dataset.
_REPEATED = (
  'splits',
  'max_examples_per_split',
  'examples_per_shard',
  'storage_dtype',
  'min_psnr',
  'on_bad_example',
)


def announce(plan: DatasetPlan, settings: Settings, num_workers: int) -> None:
  """Says what the build is about to do, and how to go on after a stop."""
  size = _size(plan.num_examples * plan.representation_bytes)
  splits = ', '.join(f'{name} {size:,}' for name, size in plan.splits)
  text = (
    f'Building cifar10_linac/{plan.config_name}\n'
    f'  from     {plan.source.name} {plan.source.version} in '
    f'{plan.source.directory}\n'
    f'  images   {plan.num_examples:,} ({splits})\n'
    f'  into     {plan.directory}\n'
    f'  size     about {size} of {plan.storage_dtype}, {plan.file_format}\n'
    f'  time     {_time(plan, num_workers)}\n'
    f'{_older_versions(plan)}{_other_staging(plan)}{_key_warnings(plan)}'
    f'It can be interrupted; this goes on where it stopped:\n'
    f'  {shlex.join(_command(plan, settings))}'
  )
  print(printable(text), flush=True)


def _time(plan: DatasetPlan, num_workers: int) -> str:
  where = f'on {devices.describe(num_workers)}'
  if devices.gpus():
    return f'{where}; no GPU has been measured yet'
  flops = plan.config.flops(plan.source.schema.shape) * plan.num_examples
  hours = flops / _CORE_FLOPS[plan.config.precision] / num_workers / 3600
  time = f'{hours:.1f} hours' if hours >= 1 else f'{hours * 60:.1f} minutes'
  return f'about {time} {where}, and 10 s to start'


def _size(num_bytes: int) -> str:
  if num_bytes < 1e9:
    return f'{num_bytes / 1e6:.0f} MB'
  return f'{num_bytes / 1e9:.1f} GB'


def _command(plan: DatasetPlan, settings: Settings) -> list[str]:
  """The command line that builds this plan."""
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
  for field in dataclasses.fields(plan.config):
    value = getattr(plan.config, field.name)
    if field.name == 'seed':
      if not plan.private_key:
        options['seed'] = value
    elif value != field.default:
      options[field.name] = config_names.format_field(value)
  for field in dataclasses.fields(settings):
    value = getattr(settings, field.name)
    if value != field.default and field.name in _REPEATED:
      options[field.name] = ','.join(value) if field.name == 'splits' else value
  command = ['python', '-m', 'pipelines.build']
  command += [f'--{name}={value}' for name, value in options.items()]
  command += ['--strict_devices'] * settings.strict_devices
  return command + ['--overwrite'] * settings.overwrite


def _other_staging(plan: DatasetPlan) -> str:
  """A line for each unfinished build of other settings."""
  found = sorted(plan.directory.parent.glob('staging.*'))
  return ''.join(
    f'{folder} holds an unfinished build with other settings; delete it if you '
    'do not want to go on with it.\n'
    for folder in found
    if folder != plan.staging
  )


def _key_warnings(plan: DatasetPlan) -> str:
  if not plan.private_key:
    return ''
  found = private_key.warnings(plan.private_key, plan.config)
  return ''.join(f'warning: {text}\n' for text in found)


def _older_versions(plan: DatasetPlan) -> str:
  """A line for each version that is prepared and stays as it is."""
  found = sorted(plan.directory.parent.glob(f'[0-9]*/{INFO_FILE}'))
  versions = [path.parent.name for path in found]
  return ''.join(
    f'Version {version} is prepared and stays: load it as '
    f"tfds.load('cifar10_linac/{plan.config_name}:{version}', ...).\n"
    for version in versions
    if version != plan.version
  )


def print_summary(
  plan: DatasetPlan,
  progress: Progress | None = None,
  totals: Counter[str] | None = None,
) -> None:
  """Says what was built and how to load it.

  Args:
    plan: of the published dataset.
    progress: of the build, or None if there was nothing left to do.
    totals: of the workers' metrics, or None where the runner has its own UI.

  Raises:
    BuildError: if the dataset's metadata are damaged.
  """
  size = sum(storage.sizes(plan.directory).values())
  psnr = ', '.join(f'{split} {mean:.2f}' for split, mean in _psnr(plan))
  manifests = _manifests(plan)
  bad = sum(len(manifest.bad_examples) for manifest in manifests)
  if progress is None:
    speed = 'all there already; nothing was fitted'
  else:
    rate = progress.fitted / progress.seconds
    speed = f'{progress.fitted:,} fitted in {progress.seconds:.0f} s'
    speed += f' ({rate:.1f} images/s)' if progress.fitted else ''
    speed += f', {progress.reused:,} found finished' if progress.reused else ''
  load = 'tfds.load' if plan.file_format == 'tfrecord' else 'tfds.data_source'
  text = (
    f'\ncifar10_linac/{plan.config_name} {plan.version}\n'
    f'  images   {plan.num_examples - bad:,}: {speed}\n'
    f'{_left_out(plan, bad)}'
    f'{_work(totals or Counter())}'
    f'  PSNR     {psnr} dB on average\n'
    f'  size     {_size(size)} in {plan.directory}\n'
    f'{_mixture(plan, manifests)}'
    f'Load it:\n'
    f'  import linac_tfds  # Registers the dataset.\n'
    f'  import tensorflow_datasets as tfds\n'
    f"  ds = {load}('cifar10_linac/{plan.config_name}', split="
    f"'{plan.splits[0][0]}', data_dir='{plan.data_dir}')"
  )
  print(printable(text), flush=True)


def _manifests(plan: DatasetPlan) -> list[Manifest]:
  folder = plan.directory / MANIFESTS
  return storage.map_files(
    lambda s: json_file.read(
      folder / f'{s.file_name(plan.file_format)}.json', Manifest
    ),
    plan.shards(),
    storage.is_remote(folder),
  )


def _left_out(plan: DatasetPlan, count: int) -> str:
  if not count:
    return ''
  return f'  left out {count:,}, see {plan.directory / BAD_EXAMPLES_FILE}\n'


def _work(totals: Counter[str]) -> str:
  """A line on what the workers did."""
  if not totals[metrics.IMAGES_FITTED]:
    return ''
  milliseconds = totals[metrics.FIT_MILLISECONDS]
  images = totals[metrics.IMAGES_FITTED] + totals[metrics.BAD_EXAMPLES]
  return (
    f'  shards   {totals[metrics.SHARDS_WRITTEN]:,} written '
    f'({_size(totals[metrics.BYTES_WRITTEN])}), '
    f'{totals[metrics.SHARDS_REUSED]:,} reused; a worker fits an image in '
    f'{milliseconds / images:.0f} ms\n'
  )


def _mixture(plan: DatasetPlan, manifests: list[Manifest]) -> str:
  """A note on shards whose bits may differ by where they were made."""
  makers = sorted({manifest.made_by for manifest in manifests})
  if plan.config.precision == 'float64' or len(makers) == 1:
    return ''
  return (
    f'  mixture  shards come from {" and from ".join(makers)};\n'
    '           float32 bits may differ (--strict_devices refuses that)\n'
  )


def _psnr(plan: DatasetPlan) -> list[tuple[str, float]]:
  """The mean PSNR of each split, as its dataset's metadata tell it."""
  path = plan.directory / METADATA_FILE
  try:
    statistics = json_file.convert(
      json_file.read(path, dict).get('psnr'), dict[str, dict[str, float]]
    )
    return [(split, statistics[split]['mean']) for split, _ in plan.splits]
  except (KeyError, ValueError) as error:
    raise BuildError(
      f'{path} is damaged: {error}\nPass --overwrite to make the dataset anew.'
    ) from error
