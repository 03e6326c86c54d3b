"""The plan of a dataset: everything that its workers need to know to build it.

Commands make a plan from their options, save it in the dataset's staging
folder, and workers load it from there.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib

import numpy as np

from linac_config import KeylessConfig, LinacConfig, config_names
from linac_tfds.schema import ImageSchema
from pipelines.files import storage
from pipelines.files.formats import FILE_FORMATS
from pipelines.plan import fingerprint
from pipelines.plan.private_key import PrivateKey
from pipelines.plan.settings import Settings
from pipelines.plan.shards import DATASET, ShardSpec, check_split, shard_stops


@dataclasses.dataclass(frozen=True)
class SourceSpec:
  """A prepared TFDS dataset whose images are fitted.

  Attributes:
    name: `DATASET` or `DATASET/CONFIG`.
    version: The version of the prepared data.
    data_dir: TFDS's root folder that holds it.
    directory: The folder of the prepared data, with its `dataset_info.json`.
    schema: The shape of the images, and the names of the classes.
    contents: A hash of the class names and of all examples to be fitted, in
      order; see `preparation.source_contents`. It is empty for datasets of
      version 1.0, which did not record it.
    digests: The hashes of the examples of each shard, by split. It is empty if
      nothing will be read from the source.
    image_feature: The name of the feature with the images. The name of a nested
      one is a path, such as `inputs/image`.
    label_feature: The name of the feature with the classes.
  """

  name: str
  version: str
  data_dir: str
  directory: str
  schema: ImageSchema
  contents: str = ''
  digests: dict[str, list[str]] = dataclasses.field(
    default_factory=dict, hash=False
  )
  image_feature: str = 'image'
  label_feature: str = 'label'

  @property
  def versioned_name(self) -> str:
    """The name and the version, as TFDS takes them."""
    return f'{self.name}:{self.version}'


@dataclasses.dataclass(frozen=True)
class DatasetPlan:
  """One dataset to be built: a transform, a source and settings.

  Attributes:
    config: The transform without its seed.
    seed: The seed, or None if it is a private key.
    private_key: The name and the place of the private key, or None if the seed
      is public.
    source: The prepared TFDS dataset with the images.
    splits: The name and the number of examples of each split, in order.
    data_dir: TFDS's root folder, under which the dataset is published.
    version: The version of the dataset.
    settings: The settings of the build.

  Raises:
    ValueError: if there is both a seed and a private key or neither, if the
      name of a split cannot be part of a file name, or if a split has too many
      shards.
  """

  config: KeylessConfig
  seed: int | None
  private_key: PrivateKey | None
  source: SourceSpec
  splits: tuple[tuple[str, int], ...]
  data_dir: str
  version: str
  settings: Settings

  def __post_init__(self):
    if (self.seed is None) == (self.private_key is None):
      raise ValueError(
        'A plan has either a seed or a private key; here are both or neither.'
      )
    for split, size in self.splits:
      check_split(split, size, self.settings.examples_per_shard)

  def reveal(self) -> LinacConfig:
    """The transform with its seed, for fitting.

    If the seed is a private key, it is read anew each time and never kept.

    Raises:
      ValueError: if the private key cannot be read.
    """
    seed = self.private_key.read() if self.private_key else self.seed
    return self.config.with_seed(seed)

  @property
  def config_name(self) -> str:
    """The TFDS config name, such as `seed_42_f64`."""
    if self.private_key:
      return self.private_key.name
    return config_names.config_name(
      self.source.name, self.reveal(), self.version
    )

  @property
  def directory(self) -> pathlib.Path:
    """The folder of the published dataset, where TFDS looks for it."""
    root = storage.path(self.data_dir)
    return root / DATASET / self.config_name / self.version

  @property
  def staging(self) -> pathlib.Path:
    """The folder that collects the finished shards until all are there."""
    return self.directory.with_name(
      f'staging.{self.version}.{self.fingerprint[:16]}'
    )

  @functools.cached_property
  def fingerprint(self) -> str:
    """The SHA-256 of what the dataset's bits depend on, in hexadecimal."""
    return fingerprint.fingerprint(self)

  @property
  def num_examples(self) -> int:
    """The number of examples of all splits."""
    return sum(size for _, size in self.splits)

  @property
  def example_bytes(self) -> int:
    """The approximate size of one example on disk, in bytes."""
    relative_size = FILE_FORMATS[self.settings.file_format].relative_size
    return round(self.representation_bytes * relative_size) + 4096

  @property
  def representation_bytes(self) -> int:
    """The size of one representation before any compression, in bytes."""
    height, width, channels = self.source.schema.shape
    units = self.config.representation_channels(channels)
    itemsize = np.dtype(self.settings.storage_dtype).itemsize
    return height * width * units * itemsize

  @property
  def shard_stops(self) -> dict[str, list[int]]:
    """The index after the last example of each shard, in order, by split."""
    limit = self.settings.examples_per_shard
    return {split: shard_stops(size, limit) for split, size in self.splits}

  def shards(self) -> list[ShardSpec]:
    """All shards, split by split, in order."""
    dataset = str(self.staging)
    return [
      ShardSpec(
        dataset=dataset,
        split=split,
        index=index,
        count=len(stops),
        start=start,
        stop=stop,
        fingerprint=self.fingerprint,
      )
      for split, stops in self.shard_stops.items()
      for index, (start, stop) in enumerate(
        zip([0, *stops], stops, strict=False)
      )
    ]

  def file_name(self, shard: ShardSpec) -> str:
    """The name of a shard's file."""
    return shard.file_name(self.settings.file_format)
