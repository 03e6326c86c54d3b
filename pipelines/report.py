r"""Writes a page about a published LINAC dataset: what is in it, in pictures.

  python -m pipelines.report ~/tensorflow_datasets/cifar10_linac/seed_42/2.0.0

This makes a folder that is named after the dataset. It writes `report.html`
there, which needs no other file, and copies of its pictures into `report/`. It
reads up to 100 shards and fits about two dozen images again.
The pictures need `pip install -e '.[viz]'`.
"""

from __future__ import annotations

if __name__ == '__main__':
  # The imports take a second or two. Ctrl-C must print no traceback meanwhile.
  from linac_config import entry

  entry.begin_imports()

import argparse
import pathlib
import sys

from linac_config import invocation, paths
from pipelines.command_line import console
from pipelines.command_line.console import Parser
from pipelines.dataset.read_published import (
  check_published,
  open_published,
  with_private_key,
)
from pipelines.files import bucket_access, storage
from pipelines.plan.shards import DATASET

PAGE = 'report.html'
PICTURES = 'report'


def report(
  directory: pathlib.Path,
  output: pathlib.Path | None = None,
  private_key_file: str | None = None,
  num_refits: int = 16,
  num_shards: int = 100,
) -> pathlib.Path:
  """Writes the page and its pictures.

  Args:
    directory: The folder of the dataset's version.
    output: The folder to write into, or None for a folder that is named after
      the dataset, in the current folder.
    private_key_file: The file with the private key, if the dataset has one, or
      None to read it from `LINAC_PRIVATE_KEY`. Without a key nothing is fitted.
    num_refits: The number of images drawn at random to be fitted again, besides
      the best and the worst; 0 to fit no image at all.
    num_shards: The most shards to read. Statistics of labels and zeros are
      taken from them.

  Returns:
    The path of the page.

  Raises:
    OSError: if a file cannot be read or written.
    ValueError: if there is no published dataset, it is damaged, or the page
      would be written into it or into a folder that cannot be written.
  """
  # Their libraries belong to an extra, which no other command may need.
  from pipelines.reporting import (
    card,
    contents,
    gallery,
    page,
    refits,
    sections,
  )

  check_published(directory)
  dataset = open_published(directory)
  if output is None:
    plan = dataset.plan
    output = storage.path(f'{DATASET}-{plan.config_name}-{plan.version}')
  _check_output(output, directory)
  dataset, no_key = with_private_key(dataset, private_key_file)
  folder = output / PICTURES
  folder.mkdir(parents=True, exist_ok=True)
  # The picture of channels needs this many examples, even if none is refitted.
  number = max(num_refits, gallery.NUM_COLOURS)
  found = contents.read_contents(dataset, num_shards, number)
  fits = None
  if num_refits and not no_key:
    examples = [*found.drawn, *found.best, *found.worst]
    fits = refits.refit(dataset.plan, examples, gallery.NUM_COLOURS)
  parts = sections.make_sections(dataset, found, fits, no_key)
  for part in parts:
    for picture, _ in part.pictures:
      (folder / f'{picture.name}.png').write_bytes(picture.png)
  path = output / PAGE
  text = page.render(dataset, card.make_card(dataset, found), parts)
  path.write_text(text, encoding='utf-8')
  return path


def _check_output(output: pathlib.Path, directory: pathlib.Path) -> None:
  """Raises ValueError if the report on a dataset cannot be written.

  Args:
    output: The folder to write into.
    directory: The folder of the dataset.
  """
  if not storage.is_remote(directory) and output.is_relative_to(directory):
    raise ValueError(
      f'{output} is inside the dataset, where no other files may be. Pass '
      'another --output.'
    )
  if reason := paths.why_not_writable(output):
    raise ValueError(
      f'{output} cannot be written: {reason}. Pass another --output.'
    )


def _parse(argv: list[str]) -> argparse.Namespace:
  """Parses the command line; raises ValueError if an option does not fit."""
  parser = Parser(
    prog=invocation.command('report'),
    description='Writes a page about a published LINAC dataset.',
    epilog='Exit status: 0 if the page was written, 2 if not, 130 after '
    'Ctrl-C.',
    allow_abbrev=False,
  )
  parser.add_argument(
    'dataset_dir',
    help="the folder of the dataset's version, such as "
    'D/cifar10_linac/seed_42/2.0.0',
  )
  parser.add_argument(
    '--output',
    metavar='DIR',
    help=f'the folder in which to write {PAGE} and the folder {PICTURES} '
    '(default: a folder here that is named after the dataset)',
  )
  parser.add_argument(
    '--private_key_file',
    metavar='PATH',
    help='the file with the private key, if the dataset has one (default: the '
    'key in LINAC_PRIVATE_KEY); without a key nothing is fitted',
  )
  parser.add_argument(
    '--examples',
    type=int,
    default=16,
    metavar='N',
    help='the number of examples drawn at random to fit again, besides the '
    'best and the worst; 0 to fit none (default: %(default)s)',
  )
  parser.add_argument(
    '--shards',
    type=int,
    default=100,
    metavar='N',
    help='the most shards to read, spread evenly (default: %(default)s)',
  )
  args = parser.parse_args(argv)
  for name, least in (('examples', 0), ('shards', 1)):
    if getattr(args, name) < least:
      raise ValueError(
        f'{name}={getattr(args, name)} must be at least {least}.'
      )
  return args


@console.dataset_command()
def main(argv: list[str]) -> int:
  """Runs the command; returns the exit status, which `--help` explains."""
  args = _parse(argv)
  directory = bucket_access.readable_path(args.dataset_dir)
  output = args.output and storage.path(args.output)
  if output and storage.is_remote(output):
    raise ValueError(f'output={args.output} is not a local folder; pass one.')
  try:
    path = report(
      directory, output, args.private_key_file, args.examples, args.shards
    )
  except ModuleNotFoundError as error:
    if error.name not in ('jinja2', 'matplotlib'):
      raise
    raise ValueError(
      f"{error.name} is missing; pip install -e '.[viz]'."
    ) from error
  print(path)
  return 0


if __name__ == '__main__':
  entry.end_imports()
  sys.exit(main(sys.argv[1:]))
