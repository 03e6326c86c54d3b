"""Verifies a published LINAC dataset: files, contents and a sample of fits.

  python -m pipelines.verify ~/tensorflow_datasets/cifar10_linac/seed_42/2.0.0

This compares metadata, manifests and shards with each other and the images with
their source, and fits some images again. `--quick` leaves out the fits.
"""

from __future__ import annotations

if __name__ == '__main__':
  # The imports take a second or two. Ctrl-C must print no traceback meanwhile.
  from linac_config import entry

  entry.begin_imports()

import argparse
import dataclasses
import pathlib
import secrets
import shlex
import sys

from linac_config import invocation
from linac_config.errors import is_about_contents
from linac_tfds import Cifar10Linac
from linac_tfds.sources import find_source, is_prepared
from pipelines.command_line import console
from pipelines.command_line.command import mending_command
from pipelines.command_line.console import Parser
from pipelines.dataset.read_published import (
  PublishedDataset,
  check_published,
  open_published,
  with_private_key,
)
from pipelines.dataset.state import published_fingerprint
from pipelines.errors import BuildError, printable
from pipelines.files import bucket_access
from pipelines.preparation.prepare_source import prepare_source
from pipelines.verification.checks import Check, differences, print_checks
from pipelines.verification.contents import Contents
from pipelines.verification.metadata import check_metadata


def verify(
  directory: pathlib.Path,
  source_data_dir: str | None,
  private_key_file: str | None,
  num_refits: int,
  sample_seed: int,
) -> list[Check]:
  """Checks a dataset, with one of its examples in memory at a time.

  Args:
    directory: The folder of the dataset's version.
    source_data_dir: The data folder with the prepared source, or None to look
      for it in the usual places.
    private_key_file: The file with the private key, if the dataset has one, or
      None to read it from `LINAC_PRIVATE_KEY`.
    num_refits: The number of examples to fit again.
    sample_seed: The seed that draws these examples.

  Returns:
    The checks that could be made.

  Raises:
    ValueError: if there is no published dataset, or if the source is not in
      `source_data_dir`.
  """
  check_published(directory)
  metadata, source = Check('metadata', 'files'), Check('source', 'examples')
  try:
    dataset = open_published(directory)
  except (OSError, ValueError) as error:
    metadata.add('nothing else can be checked', [str(error)])
    return [metadata]
  dataset, no_key = with_private_key(dataset, private_key_file)
  dataset = _with_source(dataset, source_data_dir, source)
  contents = Contents(dataset, source, num_refits, sample_seed, no_key)
  check_metadata(dataset, contents.check(), metadata)
  return [metadata, *contents.checks]


def _with_source(
  dataset: PublishedDataset, source_data_dir: str | None, check: Check
) -> PublishedDataset:
  """Looks for the source of a dataset.

  Args:
    dataset: The dataset.
    source_data_dir: The data folder with the source, or None to look for it.
    check: The check that reports a source that is missing or is another one.

  Returns:
    The dataset, whose plan names the source's folder if the source was found.

  Raises:
    ValueError: if the source is not in `source_data_dir`.
  """
  recorded = dataset.plan.source
  name = recorded.versioned_name
  try:
    builder = find_source(name, source_data_dir, dataset.plan.data_dir)
  except ValueError as error:
    if source_data_dir:
      raise
    reason = str(error).rstrip('.')
  # Damaged files of the source raise errors of protocol buffers, too.
  except Exception as error:
    if not is_about_contents(error):
      raise
    check.add(name, [f'TFDS cannot load it: {type(error).__name__}: {error}'])
    return dataset
  else:
    reason = '' if is_prepared(builder) else f'{builder.data_path} is not there'
  if reason:
    check.skipped = f'{reason}; pass --source_data_dir to check order and ids'
    return dataset
  try:
    source, _ = prepare_source(
      recorded.name, builder, recorded.image_feature, recorded.label_feature
    )
  except (ValueError, BuildError) as error:  # It may have no labelled images.
    check.add(name, [str(error)])
    return dataset
  found, expected = (
    {'labels': s.schema.class_names} for s in (recorded, source)
  )
  if problems := differences(found, expected):
    check.add('label.labels.txt', problems)
  # The source's metadata may leave the size of its images open.
  images = dataclasses.replace(source.schema, shape=recorded.schema.shape)
  source = dataclasses.replace(
    source, contents=recorded.contents, schema=images
  )
  plan = dataclasses.replace(dataset.plan, source=source)
  return dataclasses.replace(dataset, plan=plan)


def mending_advice(
  directory: pathlib.Path,
  checks: list[Check],
  source_data_dir: str | None,
  private_key_file: str | None,
) -> str:
  """Names the command that repairs a dataset, if a build can repair it.

  A build fits those shards again whose bytes do not match their manifests, and
  writes the describing files anew. It cannot repair a shard whose manifest was
  altered to match.

  Args:
    directory: The folder of the dataset's version.
    checks: The checks of the dataset.
    source_data_dir: The data folder with the source, or None to look for it.
    private_key_file: The file with the private key, if the dataset has one.

  Returns:
    The advice, or `''` if no build can repair what the checks found.
  """
  failed = {check.name for check in checks if check.num_failed}
  if not failed & {'metadata', 'shards'}:
    return ''
  try:
    dataset = open_published(directory)
    plan = with_private_key(dataset, private_key_file)[0].plan
    num_bad = sum(dataset.metadata.bad_examples.values())
  except (OSError, ValueError):
    return ''
  if plan.version != str(Cifar10Linac.VERSION):
    return ''
  # Altered metadata can describe another dataset than the one that is there.
  if published_fingerprint(plan) != plan.fingerprint:
    return ''
  command = mending_command(plan, num_bad > 0, source_data_dir)
  arguments = command.arguments()
  return (
    'This command repairs shards and describing files. It fits only the shards '
    'that are damaged:\n  '
    + f'{invocation.command("build")} {shlex.join(arguments)}'
  )


def _parse(argv: list[str]) -> argparse.Namespace:
  """Parses the command line; raises ValueError if an option does not fit."""
  parser = Parser(
    prog=invocation.command('verify'),
    description='Verifies a published LINAC dataset.',
    epilog='Exit status: 0 if all checks pass, 1 if a check fails, 2 if the '
    'dataset cannot be checked, 130 after Ctrl-C.',
    allow_abbrev=False,
  )
  parser.add_argument(
    'dataset_dir',
    help="the folder of the dataset's version, such as "
    'D/cifar10_linac/seed_42/2.0.0',
  )
  parser.add_argument(
    '--source_data_dir',
    help="the data folder with the prepared source (default: the dataset's "
    "data folder, then TFDS's)",
  )
  parser.add_argument(
    '--private_key_file',
    metavar='PATH',
    help='the file with the private key, if the dataset has one (default: the '
    'key in LINAC_PRIVATE_KEY)',
  )
  parser.add_argument(
    '--examples',
    type=int,
    default=16,
    metavar='N',
    help='the number of examples to fit again (default: %(default)s)',
  )
  parser.add_argument(
    '--sample_seed',
    type=int,
    metavar='N',
    help='the seed that draws these examples (default: a new one each time)',
  )
  parser.add_argument(
    '--quick', action='store_true', help='fit no example again'
  )
  args = parser.parse_args(argv)
  if args.examples < 1:
    raise ValueError(
      f'examples={args.examples} must be at least 1; pass --quick to fit none.'
    )
  return args


@console.dataset_command()
def main(argv: list[str]) -> int:
  """Runs the command; returns the exit status, which `--help` explains."""
  args = _parse(argv)
  seed = args.sample_seed
  directory = bucket_access.readable_path(args.dataset_dir)
  checks = verify(
    directory,
    args.source_data_dir,
    args.private_key_file,
    num_refits=0 if args.quick else args.examples,
    sample_seed=secrets.randbelow(2**32) if seed is None else seed,
  )
  print(directory)
  print_checks(checks)
  if advice := mending_advice(
    directory, checks, args.source_data_dir, args.private_key_file
  ):
    print(printable(advice))
  return int(any(check.num_failed for check in checks))


if __name__ == '__main__':
  entry.end_imports()
  sys.exit(main(sys.argv[1:]))
