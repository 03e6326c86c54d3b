"""Checks a dataset's describing files against the manifests of its shards."""

from __future__ import annotations

import dataclasses
import json

import tensorflow_datasets as tfds

from linac_config.errors import is_about_contents
from pipelines.dataset.features_file import feature_types
from pipelines.dataset.manifest import Manifest
from pipelines.dataset.metadata import (
  BAD_EXAMPLES_FILE,
  CROISSANT_FILE,
  FEATURES_FILE,
  INFO_FILE,
  METADATA_FILE,
  bad_example_lines,
  dataset_metadata,
  split_info,
)
from pipelines.dataset.read_published import PublishedDataset
from pipelines.files import strict_json
from pipelines.plan.fingerprint import provenance
from pipelines.plan.shards import DATASET
from pipelines.verification.checks import Check, differences

# The first version of datasets with a Croissant description.
_FIRST_WITH_CROISSANT = '1.0.2'


def check_metadata(
  dataset: PublishedDataset, manifests: dict[str, list[Manifest]], check: Check
) -> None:
  """Compares five describing files with what a build would write.

  Args:
    dataset: The dataset with these files.
    manifests: The valid manifests of each split. If any is missing, the facts
      that derive from manifests are not compared.
    check: The check to which the results are added.
  """
  splits = dataset.plan.splits
  if {
    s: sum(m.stop - m.start for m in manifests[s]) for s, _ in splits
  } != dict(splits):
    manifests = {}
  for name, compare in (
    (METADATA_FILE, _metadata_problems),
    (INFO_FILE, _info_problems),
    (FEATURES_FILE, _features_problems),
    (BAD_EXAMPLES_FILE, _bad_examples_problems),
    (CROISSANT_FILE, _croissant_problems),
  ):
    check.add(name, compare(dataset, manifests))


def _metadata_problems(
  dataset: PublishedDataset, manifests: dict[str, list[Manifest]]
) -> list[str]:
  """The differences in `metadata.json` and in the name of the folder."""
  plan, directory = dataset.plan, dataset.directory
  expected = {'fingerprint': plan.fingerprint, **provenance(plan)}
  if manifests:
    try:
      expected = dataset_metadata(plan, manifests)
      del expected['schema']
    except (ValueError, OverflowError) as error:
      return [f'the PSNR values in the manifests have no statistics: {error}']
  recorded = dataclasses.asdict(dataset.metadata)
  found = {key: recorded[key] for key in expected}
  found, expected = map(strict_json.plain, (found, expected))
  return [
    *differences(
      {'folder': f'{directory.parent.name}/{directory.name}'},
      {'folder': f'{plan.config_name}/{plan.version}'},
    ),
    *differences(found, expected),
  ]


def _info_problems(
  dataset: PublishedDataset, manifests: dict[str, list[Manifest]]
) -> list[str]:
  """The differences in `dataset_info.json`, as TFDS reads it."""
  plan = dataset.plan
  try:
    info = tfds.builder_from_directory(str(dataset.directory)).info
    found = {
      'name': info.name,
      'configName': info.config_name,
      'version': str(info.version),
      'fileFormat': info.file_format.file_suffix,
      'splits': {name: _split_facts(info.splits[name]) for name in info.splits},
    }
  except Exception as error:  # Protocol buffers raise their own classes.
    if not is_about_contents(error):
      raise
    return [f'TFDS cannot load it: {type(error).__name__}: {error}']
  expected = {
    'name': DATASET,
    'configName': plan.config_name,
    'version': plan.version,
    'fileFormat': plan.settings.file_format,
    'splits': {
      split: _split_facts(split_info(plan, split, parts))
      for split, parts in manifests.items()
    },
  }
  if not manifests:
    del found['splits'], expected['splits']
  return differences(found, expected)


def _split_facts(info: tfds.core.SplitInfo) -> dict:
  """The facts about a split that `dataset_info.json` records."""
  return {
    'shardLengths': dict(enumerate(info.shard_lengths)),
    'numExamples': info.num_examples,
    'numBytes': int(info.num_bytes),
    'files': dict(enumerate(path.name for path in info.filepaths)),
  }


def _features_problems(
  dataset: PublishedDataset, manifests: dict[str, list[Manifest]]
) -> list[str]:
  """The differences in `features.json`, descriptions aside."""
  del manifests
  return differences(*feature_types(dataset.directory, dataset.features))


def _bad_examples_problems(
  dataset: PublishedDataset, manifests: dict[str, list[Manifest]]
) -> list[str]:
  """The differences in the list of bad examples."""
  path = dataset.directory / BAD_EXAMPLES_FILE
  if not manifests:
    return []
  found, expected = '', bad_example_lines(manifests)
  if path.is_file():
    most = max(strict_json.MAX_BYTES, len(expected.encode()))
    try:
      found = strict_json.read_bytes(path, most).decode(errors='replace')
    except ValueError as error:  # The file is too large.
      return [str(error)]
  return differences(found, expected, 'text')


def _croissant_problems(
  dataset: PublishedDataset, manifests: dict[str, list[Manifest]]
) -> list[str]:
  """The differences in the Croissant description.

  It is compared with one made anew from `dataset_info.json`.
  """
  del manifests
  if tfds.core.Version(dataset.plan.version) < _FIRST_WITH_CROISSANT:
    return []
  # Imported here, because it takes a second.
  from pipelines.dataset.croissant import croissant

  try:
    found = strict_json.read(dataset.directory / CROISSANT_FILE, dict)
    info = tfds.builder_from_directory(str(dataset.directory)).info
    return differences(found, json.loads(croissant(info)))
  except Exception as error:  # TFDS and mlcroissant raise their own classes.
    if not is_about_contents(error):
      raise
    return [f'it cannot be compared: {type(error).__name__}: {error}']
