r"""Says how far a build is, and whether it is running, dead or finished.

  python -m pipelines.status ~/tensorflow_datasets/cifar10_linac/seed_42

Without the config's name, a line tells of each dataset, as of a build of many
seeds.

`--watch` draws the bar of the build itself until that ends. Only files are
looked at, so this works from another terminal, and whatever runs the build.

Exit status: 0 if all that is there is finished or running, 1 if a build stopped
or failed, 2 if there is none, 130 after Ctrl-C.
"""

from __future__ import annotations

if __name__ == '__main__':
  # Before the imports, which take a second or two.
  from pipelines.command_line import interrupts

  interrupts.end_at_once()

import argparse
import pathlib
import sys
import time

from linac_config import invocation
from pipelines.command_line import console
from pipelines.command_line.console import Parser
from pipelines.dataset.overview import find_statuses, is_of_all_configs
from pipelines.errors import BuildError, printable
from pipelines.files import bucket, lock, storage
from pipelines.runners.progress import Progress

_SECONDS_BETWEEN_LOOKS = 1


def watch(directory: pathlib.Path) -> None:
  """Draws the bar of the builds that are running, until they end."""
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


def _parse(argv: list[str]) -> argparse.Namespace:
  parser = Parser(
    prog=invocation.command('status'),
    description='Says how far the build of a LINAC dataset is.',
    epilog='Exit status: 0 if all is finished or running, 1 if a build stopped '
    'or failed, 2 if there is none, 130 after Ctrl-C.',
    allow_abbrev=False,
  )
  parser.add_argument(
    'dataset_dir',
    help='its folder, such as D/cifar10_linac/seed_42, with a version or '
    'without; D/cifar10_linac is that of all',
  )
  parser.add_argument(
    '--watch',
    action='store_true',
    help='draw the bar of a running build until it ends',
  )
  return parser.parse_args(argv)


def main(argv: list[str]) -> int:
  """Returns the exit status, as above."""
  console.set_up()
  try:
    args = _parse(argv)
    directory = bucket.readable(args.dataset_dir)
    if args.watch:
      watch(directory)
    statuses = find_statuses(directory)
  except (*storage.errors(), ValueError, BuildError) as error:
    print(f'error: {printable(str(error))}', file=sys.stderr)
    return 2
  except KeyboardInterrupt:
    print('\nStopped watching; the build goes on.', file=sys.stderr)
    return 130
  in_lines = is_of_all_configs(directory)
  for status in statuses:
    print(printable(status.line() if in_lines else str(status)))
  return int(any(s.state in ('stopped', 'failed') for s in statuses))


if __name__ == '__main__':
  interrupts.raise_again()
  sys.exit(main(sys.argv[1:]))
