"""The summary that a build prints at its end, and the errors of what failed."""

from __future__ import annotations

import sys
from collections import Counter

from pipelines.dataset.metadata import (
  BAD_EXAMPLES_FILE,
  METADATA_FILE,
  Metadata,
  read_metadata,
)
from pipelines.errors import BuildError, printable
from pipelines.files import listing
from pipelines.files.formats import FILE_FORMATS
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.runners.progress import Progress
from pipelines.worker import metrics


def print_summary(
  plan: DatasetPlan,
  progress: Progress | None = None,
  totals: Counter[str] | None = None,
) -> None:
  """Says what was built and how to load it.

  Args:
    plan: The plan of the published dataset.
    progress: The progress of the build, or None if nothing was left to do.
    totals: The totals of the workers' metrics by name, or None if nothing was
      left to do; empty where the runner reports none to this process.

  Raises:
    BuildError: if the dataset's metadata are damaged.
  """
  size = sum(listing.sizes(plan.directory).values())
  metadata = _metadata(plan)
  psnr, bad = _psnr(plan, metadata), sum(metadata.bad_examples.values())
  text = (
    f'\ncifar10_linac/{plan.config_name} {plan.version}\n'
    f'  images   {plan.num_examples - bad:,}: {_speed(progress)}\n'
    f'{_left_out(plan, bad)}'
    f'{_work(totals or Counter())}'
    f'  PSNR     {psnr} dB on average\n'
    f'  size     {size_text(size)} in {plan.directory}\n'
    f'Load it:\n{_load(plan)}'
  )
  print(printable(text), flush=True)


def print_summaries(
  plans: list[DatasetPlan],
  failures: dict[str, str],
  progress: Progress | None = None,
  totals: Counter[str] | None = None,
) -> None:
  """Says in a line for each dataset what was built, and how to load one.

  Args:
    plans: The plans of all datasets.
    failures: The reason of each failure, by the name of the dataset's config;
      these datasets are left out.
    progress: The progress of the build, or None if nothing was left to do.
    totals: The totals of the workers' metrics, as `print_summary` takes them.
  """
  lines = [f'\n{len(plans):,} datasets: {_speed(progress)}']
  lines += _work(totals or Counter()).splitlines()
  published = [plan for plan in plans if plan.config_name not in failures]
  lines += [f'  {plan.config_name}: {_measures(plan)}' for plan in published]
  if published:
    lines += [f'in {plans[0].directory.parents[1]}. Load one:']
    lines += [_load(published[0])]
  print(printable('\n'.join(lines)), flush=True)


def _measures(plan: DatasetPlan) -> str:
  """Describes a published dataset in a line: size, PSNR, what is unusual."""
  size = size_text(sum(listing.sizes(plan.directory).values()))
  try:
    metadata = _metadata(plan)
    text = f'{size}, PSNR {_psnr(plan, metadata)} dB on average'
  except BuildError as error:
    return str(error)
  if bad := sum(metadata.bad_examples.values()):
    text += f', {bad:,} left out'
  return text


def print_failures(failures: dict[str, str], count: int) -> None:
  """Says which of `count` datasets could not be built, and why."""
  if not failures:
    return
  if count == 1:
    lines = [f'error: {reason}' for reason in failures.values()]
  else:
    lines = [f'error: {len(failures)} of {count} datasets cannot be built:']
    for name, reason in failures.items():
      # The first reason and the sum at the end are enough to see what is wrong.
      first, *more = reason.splitlines()
      lines += [f'  {name}: {first}', *(f'    {line}' for line in more[-2:])]
  print(printable('\n'.join(lines)), file=sys.stderr)


def _speed(progress: Progress | None) -> str:
  """Writes how many images were fitted and found finished, and how fast."""
  if progress is None:
    return 'all there already; nothing was fitted'
  rate = progress.fitted / progress.seconds
  speed = f'{progress.fitted:,} fitted in {progress.seconds:.0f} s'
  speed += f' ({rate:.1f} images/s)' if progress.fitted else ''
  return speed + (
    f', {progress.reused:,} found finished' if progress.reused else ''
  )


def _load(plan: DatasetPlan) -> str:
  """Writes the lines of Python that load the dataset."""
  load = FILE_FORMATS[plan.settings.file_format].reader
  name, split = f'cifar10_linac/{plan.config_name}', plan.splits[0][0]
  return (
    '  import linac_tfds  # Registers the dataset.\n'
    '  import tensorflow_datasets as tfds\n'
    f'  ds = {load}({name!r}, split={split!r}, data_dir={str(plan.data_dir)!r})'
  )


def size_text(num_bytes: int) -> str:
  """Writes a number of bytes in GB or MB, such as `31.5 GB`."""
  if num_bytes < 1e9:
    return f'{num_bytes / 1e6:.0f} MB'
  return f'{num_bytes / 1e9:.1f} GB'


def _left_out(plan: DatasetPlan, count: int) -> str:
  """Writes a line on the bad examples, or `''` if there are none."""
  if not count:
    return ''
  return f'  left out {count:,}, see {plan.directory / BAD_EXAMPLES_FILE}\n'


def _work(totals: Counter[str]) -> str:
  """Writes a line on the workers' shards and speed, or `''` if not known."""
  if not totals[metrics.IMAGES_FITTED]:
    return ''
  milliseconds = totals[metrics.FIT_MILLISECONDS]
  images = totals[metrics.IMAGES_FITTED] + totals[metrics.BAD_EXAMPLES]
  return (
    f'  shards   {totals[metrics.SHARDS_WRITTEN]:,} written '
    f'({size_text(totals[metrics.BYTES_WRITTEN])}), '
    f'{totals[metrics.SHARDS_REUSED]:,} reused; a worker fits an image in '
    f'{milliseconds / images:.0f} ms\n'
  )


def _psnr(plan: DatasetPlan, metadata: Metadata) -> str:
  """Writes the mean PSNR of each split, in dB."""
  means = [(split, metadata.psnr[split]['mean']) for split, _ in plan.splits]
  return ', '.join(f'{split} {mean:.2f}' for split, mean in means)


def _metadata(plan: DatasetPlan) -> Metadata:
  """Reads the metadata of a published dataset.

  Raises:
    BuildError: if they are damaged.
  """
  path = plan.directory / METADATA_FILE
  try:
    metadata = read_metadata(plan.directory)
    _psnr(plan, metadata)
    return metadata
  except (LookupError, ValueError) as error:
    raise BuildError(
      f'{path} is damaged: {error}\nRun the same command again to repair it.'
    ) from error
