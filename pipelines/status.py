r"""Says how far a build is, and whether it is running, stopped or finished.

  python -m pipelines.status ~/tensorflow_datasets/cifar10_linac/seed_42

Without the config's name (`.../cifar10_linac`), it prints one line for each
dataset, for example after a build of many seeds.

`--watch` draws the build's progress bar until the build ends. The command looks
only at files, so it works from another terminal and with any runner.

Exit status: 0 if all datasets are finished or running, 1 if a build stopped or
failed or a dataset is damaged, 2 if there is no dataset, 130 after Ctrl-C.
"""

from __future__ import annotations

if __name__ == '__main__':
  # The imports take a second or two. Ctrl-C must print no traceback meanwhile.
  from linac_config import entry

  entry.begin_imports()

import argparse
import pathlib
import sys
import time

from tqdm import tqdm

from linac_config import invocation
from linac_tfds import Cifar10Linac
from pipelines.command_line import console
from pipelines.command_line.console import Parser
from pipelines.dataset.overview import Status, find_statuses, is_of_all_configs
from pipelines.errors import printable
from pipelines.files import bucket_access, lock
from pipelines.runners.progress import Progress

_SECONDS_BETWEEN_LOOKS = 1


def watch(directory: pathlib.Path) -> None:
  """Draws one progress bar for all running builds, until they end."""
  running = [s for s in find_statuses(directory) if s.state == 'running']
  if not running:
    return
  plans = [status.plan for status in running]
  progress = Progress(plans, min(status.since for status in running))
  try:
    while any(lock.is_held(plan.directory.parent) for plan in plans):
      time.sleep(_SECONDS_BETWEEN_LOOKS)
      progress.update()
    progress.update(at_once=True)
  finally:
    progress.close()


def describe(status: Status) -> str:
  """Describes a dataset in several lines."""
  plan, total = status.plan, status.plan.num_examples
  # Rounded down, so that 100 % means that all images are there.
  percent = 100 * status.images // total
  rate = f'{status.rate:.1f} images/s' if status.rate else 'not known'
  lines = [
    f'cifar10_linac/{plan.config_name} {plan.version}: {_state(status)}',
    f'  shards   {status.shards:,} of {len(plan.shards()):,}',
    f'  images   {status.images:,} of {total:,} ({percent}%)',
    f'  speed    {rate}',
  ]
  if status.state == 'running' and status.rate:
    left = tqdm.format_interval((total - status.images) / status.rate)
    lines.append(f'  left     {left}')
  published = status.state in ('finished', 'damaged')
  folder = plan.directory if published else plan.staging
  lines += [f'  bad      {status.num_bad:,} examples', f'  folder   {folder}']
  return '\n'.join([*lines, *(f'  {note}' for note in status.notes)])


def _state(status: Status) -> str:
  """The state of the dataset in words, and what to do about it."""
  if status.state == 'running':
    begun = time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(status.since))
    process = lock.describe_build(status.plan.directory.parent)
    return f'running since {begun}' + (f', {process}' if process else '')
  if status.state == 'finished':
    return 'finished'
  if status.plan.version != str(Cifar10Linac.VERSION):
    return f'{status.state}; only the version that built it can continue it'
  if status.state == 'damaged':
    return 'damaged; `verify` says what is wrong and how to repair it'
  return f'{status.state}; run the command that began it again to continue'


def line(status: Status) -> str:
  """Describes a dataset in one line."""
  text = (
    f'{status.plan.config_name} {status.plan.version}: {status.state}, '
    f'{status.images:,} of {status.plan.num_examples:,} images'
  )
  return text + (f', {status.num_bad:,} bad' if status.num_bad else '')


def _parse(argv: list[str]) -> argparse.Namespace:
  """Parses the command line; raises ValueError if an option does not fit."""
  parser = Parser(
    prog=invocation.command('status'),
    description='Says how far the build of a LINAC dataset is.',
    epilog='Exit status: 0 if all datasets are finished or running, 1 if a '
    'build stopped or failed or a dataset is damaged, 2 if there is no '
    'dataset, 130 after Ctrl-C.',
    allow_abbrev=False,
  )
  parser.add_argument(
    'dataset_dir',
    help='the folder of a dataset, such as D/cifar10_linac/seed_42, with or '
    'without a version; D/cifar10_linac is the folder of all datasets',
  )
  parser.add_argument(
    '--watch',
    action='store_true',
    help='draw the progress bar of a running build until it ends',
  )
  return parser.parse_args(argv)


@console.dataset_command('Stopped watching. The build continues.')
def main(argv: list[str]) -> int:
  """Runs the command; returns the exit status that the module describes."""
  args = _parse(argv)
  directory = bucket_access.readable_path(args.dataset_dir)
  if args.watch:
    watch(directory)
  statuses = find_statuses(directory)
  in_lines = is_of_all_configs(directory)
  for status in statuses:
    print(printable(line(status) if in_lines else describe(status)))
  return int(any(s.state in ('damaged', 'stopped', 'failed') for s in statuses))


if __name__ == '__main__':
  entry.end_imports()
  sys.exit(main(sys.argv[1:]))
