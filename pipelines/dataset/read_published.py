"""Reads a published dataset without trusting it.

Its files may be damaged, altered or made up by somebody else. So every value is
checked, and an error is raised if no build would have written it.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import shlex
import typing

import tensorflow_datasets as tfds

from linac_config import KeylessConfig, config_names, invocation
from linac_tfds.schema import ImageSchema, example_features
from pipelines.dataset.features_file import load_schema
from pipelines.dataset.manifest import (
  Manifest,
  describes,
  manifest_path,
  parse_manifest,
)
from pipelines.dataset.metadata import (
  INFO_FILE,
  METADATA_FILE,
  Metadata,
  read_metadata,
)
from pipelines.dataset.state import shard_sizes
from pipelines.files import listing, storage, strict_json
from pipelines.plan.dataset_plan import DatasetPlan, SourceSpec
from pipelines.plan.fingerprint import SETTINGS_MEANT_BY_DEFAULT
from pipelines.plan.private_key import ENVIRONMENT, PrivateKey
from pipelines.plan.saved_plan import MANIFESTS
from pipelines.plan.settings import Settings
from pipelines.plan.shards import (
  DEFAULT_EXAMPLES_PER_SHARD,
  SPLIT_NAME,
  ShardSpec,
)


@dataclasses.dataclass(frozen=True)
class PublishedDataset:
  """A published dataset, described by its metadata.

  Attributes:
    directory: The folder of the dataset's version.
    metadata: The recorded metadata.
    plan: The plan that the metadata describe. The places of the source and of a
      private key are not recorded, and so are empty.
    features: The TFDS features that examples of this plan have.
  """

  directory: pathlib.Path
  metadata: Metadata
  plan: DatasetPlan
  features: tfds.features.FeaturesDict


def check_published(directory: pathlib.Path) -> None:
  """Checks that a folder is that of a published version of a LINAC dataset.

  Raises:
    ValueError: if it is not.
  """
  for name in (INFO_FILE, MANIFESTS):
    path = directory / name
    if not (path.is_dir() if name == MANIFESTS else path.is_file()):
      raise ValueError(
        f'{directory} is no published LINAC dataset: it has no {name}. Pass '
        "a version's folder, such as DATA_DIR/cifar10_linac/seed_42/2.0.0."
      )


def open_published(directory: pathlib.Path) -> PublishedDataset:
  """Reads the metadata of a published dataset, but not its shards.

  Args:
    directory: The folder of the dataset's version.

  Raises:
    OSError: if a file cannot be read.
    ValueError: if a file holds a value that no build would write. The message
      names the file and the value.
  """
  metadata = read_metadata(directory)
  images = load_schema(directory)
  try:
    _check_metadata(metadata)
    plan = _recorded_plan(metadata, directory, images)
    _ = plan.config_name  # This raises ValueError if there is no valid name.
  except (TypeError, ValueError) as error:
    raise ValueError(f'{METADATA_FILE} describes no build: {error}') from error
  features = example_features(images, plan.config, plan.settings.storage_dtype)
  return PublishedDataset(directory, metadata, plan, features)


def read_published_manifests(
  dataset: PublishedDataset,
) -> dict[ShardSpec, Manifest]:
  """The manifests of all shards of a published dataset, in order.

  Raises:
    OSError: if a manifest cannot be read.
    ValueError: if a manifest is damaged, or is not that of its shard.
  """

  def read(shard: ShardSpec) -> Manifest:
    path = manifest_path(dataset.plan, shard, dataset.directory)
    manifest = parse_manifest(path)
    if not describes(manifest, dataset.plan, shard):
      raise ValueError(
        f'{path} is not the manifest of its shard. '
        f'`{invocation.command("verify")} '
        f'{shlex.quote(str(dataset.directory))}` says what is wrong.'
      )
    return manifest

  shards = dataset.plan.shards()
  found = storage.map_files(read, shards, storage.is_remote(dataset.directory))
  return dict(zip(shards, found, strict=True))


def build_rate(dataset: PublishedDataset) -> float | None:
  """The speed of the build in images/s, from the times of the dataset's files.

  It counts from the first finished shard to the last, with the pauses of an
  interrupted build.

  Returns:
    The speed, or None if the times are not those of the build. A copy of a
    dataset has other times. They are recognised if a manifest is older than its
    shard, or if no shard is newer than the first manifest.
  """
  sizes = shard_sizes(dataset.plan)
  shards = listing.times(dataset.directory)
  manifests = listing.times(dataset.directory / MANIFESTS)
  try:
    finished = sorted(
      (manifests[name], shards[name.removesuffix('.json')], size)
      for name, size in sizes.items()
    )
  except KeyError:  # A file is missing.
    return None
  first, _, size = finished[0]
  in_turn = first < max(shard for _, shard, _ in finished)
  followed = all(shard <= manifest for manifest, shard, _ in finished)
  if not in_turn or not followed:
    return None
  return (sum(sizes.values()) - size) / (finished[-1][0] - first)


def with_private_key(
  dataset: PublishedDataset, private_key_file: str | None
) -> tuple[PublishedDataset, str]:
  """A dataset with the place of its private key, if it has one.

  Args:
    dataset: The dataset. If its seed is public, it is returned as it is.
    private_key_file: The path of the file that holds the private key, or None
      if the environment variable `LINAC_PRIVATE_KEY` holds it.

  Returns:
    The dataset, and the reason why no image can be fitted with its key, or ''.

  Raises:
    ValueError: if there is something else in the place of the key.
  """
  key = dataset.plan.private_key
  if key is None:
    return dataset, ''
  if private_key_file is None and ENVIRONMENT not in os.environ:
    return dataset, 'its key is private; pass --private_key_file'
  key = dataclasses.replace(key, file=private_key_file)
  key.read()
  plan = dataclasses.replace(dataset.plan, private_key=key)
  return dataclasses.replace(dataset, plan=plan), ''


def _check_metadata(metadata: Metadata) -> None:
  """Raises ValueError if no plan can be made from the metadata."""
  optional = {'contents', 'image_feature', 'label_feature'}
  if metadata.source.keys() - optional != {'name', 'version'}:
    raise ValueError(
      f'source={metadata.source!r:.60} must have a name and a version'
    )
  for version in (metadata.version, metadata.source['version']):
    if not re.fullmatch(r'\d+\.\d+\.\d+', version):
      raise ValueError(f'version={version!r:.60} is not like 1.0.0')
  names = [split for split, _ in metadata.shard_stops]
  if not names or len(set(names)) < len(names):
    raise ValueError(
      f'shard_stops must name each split once, but name {names!r:.60}'
    )
  for split, stops in metadata.shard_stops:
    if not SPLIT_NAME.fullmatch(split):
      raise ValueError(
        f'shard_stops name the split {split!r:.60}, which cannot be part of a '
        'file name'
      )
    if not stops or min(_sizes(stops)) < 1:
      raise ValueError(f'shard_stops of {split} leave shards empty')


def _sizes(stops: list[int]) -> list[int]:
  """The sizes of shards that end at `stops`."""
  return [b - a for a, b in zip([0, *stops], stops, strict=False)]


def _recorded_plan(
  metadata: Metadata, directory: pathlib.Path, images: ImageSchema
) -> DatasetPlan:
  """The plan that metadata describe, without the place of the source.

  Raises:
    TypeError: if a field of the transform or a setting is unknown.
    ValueError: if a value cannot be part of a plan.
  """
  config, key = dict(metadata.config), None
  seed = config.pop('seed', None)
  if metadata.private_key is not None:
    key = PrivateKey(**metadata.private_key, file=None)
    config_names.check_private_name(key.name)
  largest = max(max(_sizes(stops)) for _, stops in metadata.shard_stops)
  plan = DatasetPlan(
    config=KeylessConfig(**config),
    seed=None if key else seed,
    private_key=key,
    source=SourceSpec(
      **metadata.source, data_dir='', directory='', schema=images
    ),
    splits=tuple((split, stops[-1]) for split, stops in metadata.shard_stops),
    data_dir=str(directory.parent.parent.parent),
    version=metadata.version,
    # The build may have had a higher limit. This one cuts the same shards.
    settings=Settings(
      **_recorded_settings(metadata), examples_per_shard=largest
    ),
  )
  recorded = dict(metadata.shard_stops)
  if plan.shard_stops == recorded:
    return plan
  # The build may have had no limit. Then it cut small splits into smaller
  # shards.
  settings = dataclasses.replace(plan.settings, examples_per_shard=None)
  plan = dataclasses.replace(plan, settings=settings)
  if largest > DEFAULT_EXAMPLES_PER_SHARD or plan.shard_stops != recorded:
    raise ValueError('no build cuts splits at these shard_stops')
  return plan


def _recorded_settings(metadata: Metadata) -> dict:
  """The settings that metadata record, which are those of the fingerprint.

  Others are refused: a plan made from a file that somebody else wrote must not
  have, for example, a cache of programs to run.

  Raises:
    ValueError: if there is another setting, or a value is of another type.
  """
  values = SETTINGS_MEANT_BY_DEFAULT | metadata.settings
  if others := values.keys() - SETTINGS_MEANT_BY_DEFAULT.keys():
    raise ValueError(f'settings={sorted(others)!r:.60} are not recorded there')
  kinds = typing.get_type_hints(Settings)
  return {k: strict_json.convert(v, kinds[k]) for k, v in values.items()}
