"""Turns a builder and settings into a plan, if the build can work."""

from __future__ import annotations

import dataclasses

from linac_config import KeylessConfig, LinacConfig
from linac_tfds import Cifar10Linac
from linac_tfds.schema import ImageSchema, image_schema
from linac_tfds.sources import find_source
from pipelines.dataset.publish import check_target
from pipelines.errors import BuildError, SourceError
from pipelines.files import listing, storage
from pipelines.plan import fingerprint
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.plan.private_key import PrivateKey, find_private_key
from pipelines.plan.saved_plan import load_plan
from pipelines.plan.settings import Settings
from pipelines.plan.splits import SplitStart, parse_split
from pipelines.preparation.checks import check_folder
from pipelines.preparation.image_sizes import with_one_size
from pipelines.preparation.prepare_source import prepare_source
from pipelines.preparation.source_contents import source_contents


def make_plan(builder: Cifar10Linac, settings: Settings) -> DatasetPlan:
  """Plans a dataset, after all checks that can be made before work starts.

  A source that is not prepared is downloaded. Its examples are hashed.

  Args:
    builder: The TFDS builder of the dataset.
    settings: The settings of the build.

  Raises:
    BuildError: if the folder, the source or an earlier build rules the build
      out.
    ValueError: if the transform does not fit the images, or a setting does not
      fit the source; the message names the value.
  """
  config = builder.builder_config.linac
  if not builder.prepared:  # A finished dataset can be read-only.
    check_folder(storage.path(builder.data_path.parent))
  data_dir = str(storage.path(builder.data_path.parents[2]))
  name = builder.builder_config.source
  source_builder = find_source(
    builder.source, builder.source_data_dir, data_dir
  )
  features = (builder.image_feature, builder.label_feature)
  images = image_schema(source_builder, *features)
  if None not in images.shape:
    _check_transform(config, images)  # Before a download.
  source, sizes = prepare_source(
    name, source_builder, *features, settings.download_dir
  )
  splits = _choose_splits(source.name, sizes, settings)
  source = with_one_size(source, splits)
  _check_transform(config, source.schema)
  public = isinstance(config, LinacConfig)
  plan = DatasetPlan(
    config=config.without_seed() if public else config,
    seed=config.seed if public else None,
    private_key=_private_key(builder, settings),
    source=source,
    splits=splits,
    data_dir=data_dir,
    version=str(builder.version),
    settings=settings,
  )
  plan = _with_contents(plan)
  _check_source_is_unchanged(plan)
  check_target(plan)
  return plan


def _check_transform(config: KeylessConfig, images: ImageSchema) -> None:
  """Raises ValueError if a transform does not fit images."""
  height, width, channels = images.shape
  config.num_steps(height * width)
  config.pixel_constants(channels)


def _private_key(
  builder: Cifar10Linac, settings: Settings
) -> PrivateKey | None:
  """The private key of the dataset, or None if it has a seed."""
  if builder.builder_config.private:
    return find_private_key(
      storage.path(builder.data_path.parent),
      builder.builder_config.name,
      settings.private_key_file,
    )
  if settings.private_key_file is not None:
    raise ValueError(
      f'private_key_file={settings.private_key_file!r} needs --config_name, '
      'the name of the dataset.'
    )
  return None


def _choose_splits(
  source: str, sizes: dict[str, int], settings: Settings
) -> tuple[tuple[str, int], ...]:
  """Chooses the splits to build.

  Args:
    source: The name of the source, for messages.
    sizes: The number of examples of each split of the source.
    settings: The settings of the build.

  Returns:
    The name of each split and the number of its examples to build.

  Raises:
    ValueError: if the source does not have a split that was asked for, or has
      fewer examples of it.
  """
  sizes = {split: size for split, size in sizes.items() if size}
  limit, chosen = settings.max_examples_per_split, []
  starts = (
    map(parse_split, settings.splits)
    if settings.splits
    else (SplitStart(name, count=None, is_percent=False) for name in sizes)
  )
  for start in starts:
    if start.name not in sizes:
      raise ValueError(
        f'splits={start.name!r}: the source {source} has no such split, or it '
        f'is empty; it has {", ".join(sizes)}.'
      )
    size = start.size(sizes[start.name])
    chosen.append((start.name, min(size, limit or size)))
  return tuple(chosen)


def _with_contents(plan: DatasetPlan) -> DatasetPlan:
  """Adds the hashes of the source's examples to a plan.

  Raises:
    SourceError: if the source cannot be read.
  """
  source = plan.source
  try:
    contents, digests = source_contents(source, plan.shard_stops)
  except (OSError, ValueError) as error:
    raise SourceError(
      f'The source {source.name} in {source.directory} cannot be read: '
      f'{error}\nPrepare the source again, then run the same command again.'
    ) from error
  source = dataclasses.replace(source, contents=contents, digests=digests)
  return dataclasses.replace(plan, source=source)


def _check_source_is_unchanged(plan: DatasetPlan) -> None:
  """Checks that no unfinished build began with other contents of the source.

  Such a build would be left behind, and a new one would start from nothing.

  Raises:
    BuildError: if there is such a build; the message names its folder.
  """
  wanted = fingerprint.identity(plan)
  for folder in listing.entries(plan.staging.parent):
    if not folder.name.startswith(f'staging.{plan.version}.'):
      continue
    try:
      other = load_plan(str(folder))
    except BuildError:
      continue  # Nothing is known of it, and it is not touched.
    found = fingerprint.identity(other)
    contents = {'contents': wanted['source']['contents']}
    same = found | {'source': found['source'] | contents}
    if found != wanted and same == wanted:
      raise BuildError(
        f'The source {plan.source.name} has changed since the build in '
        f'{folder} began: its images, their order, labels or class names are '
        'different. Restore the source and run the same command again, or '
        f'delete {folder} to start again with the new source.'
      )
