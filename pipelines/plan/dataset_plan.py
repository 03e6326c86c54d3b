"""What a build consists of: one dataset, cut into shards.

A plan depends on the data and the configuration alone, never on the number of
workers, so that any of them may take up the work of any other.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import pathlib
import re

from linac_config import config_names
from linac_config.config import LinacConfig
from linac_tfds.schema import ImageSchema
from pipelines.errors import BuildError
from pipelines.files import storage, strict_json
from pipelines.plan.private_key import PrivateKey

DATASET = 'cifar10_linac'
PLAN_FILE = 'plan.json'
MANIFESTS = 'manifests'
# Why shards could not be made, a line each.
FAILURE_FILE = 'failure.txt'
# Shards are numbered with five digits.
MAX_SHARDS = 99_999
# What files take of their examples' bytes; ArrayRecord compresses them.
_STORED = {'tfrecord': 1, 'array_record': 0.6}
# What TFDS finds in the names of files, which splits become part of.
SPLIT_NAME = re.compile(r'[\w\-]{1,100}', re.ASCII)


@dataclasses.dataclass(frozen=True)
class SourceSpec:
  """A prepared TFDS dataset.

  Attributes:
    name: `DATASET` or `DATASET/CONFIG`.
    version: of the prepared data.
    data_dir: TFDS's root folder that holds it.
    directory: of the prepared data, the one with its `dataset_info.json`.
    schema: of its examples.
  """

  name: str
  version: str
  data_dir: str
  directory: str
  schema: ImageSchema


@dataclasses.dataclass(frozen=True)
class ShardSpec:
  """One output file: examples `[start, stop)` of a split of the source.

  Attributes:
    dataset: the dataset's staging folder, which holds its plan.
    split: of the source and of the dataset.
    index: of the shard in its split.
    count: shards of the split.
    start: first example.
    stop: one past the last example.
    fingerprint: of the dataset.
  """

  dataset: str
  split: str
  index: int
  count: int
  start: int
  stop: int
  fingerprint: str

  @property
  def size(self) -> int:
    """Number of examples."""
    return self.stop - self.start

  def file_name(self, file_format: str) -> str:
    """The name TFDS reads the shard under."""
    return (
      f'{DATASET}-{self.split}.{file_format}-'
      f'{self.index:05d}-of-{self.count:05d}'
    )


@dataclasses.dataclass(frozen=True)
class DatasetPlan:
  """Everything workers need to know of one dataset.

  Attributes:
    config: the transform.
    source: the images.
    private_key: what stands for the seed of `config`, if that is a secret; the
      config's own is 0 then.
    splits: name and number of examples of each split, in order.
    data_dir: TFDS's root folder.
    version: of the dataset.
    storage_dtype: of the stored representations.
    file_format: `'tfrecord'` or `'array_record'`.
    examples_per_shard: at most; None for 128, or 32 in a split of fewer than
      4,096 examples.
    min_psnr: dB that a fit must reach, or None.
    on_bad_example: `'stop'` or `'skip'`, if an example cannot be fitted.
    strict_devices: whether float32 shards must all come from one kind of device
      and one jaxlib.
    images_per_batch: images fitted by one call to the device; None for 1 on a
      CPU, elsewhere for what the device's memory holds.
    overwrite: whether to replace another dataset of the same name.

  Raises:
    ValueError: naming a split that no file can be named after, or whose shards
      cannot be numbered.
  """

  config: LinacConfig
  source: SourceSpec
  splits: tuple[tuple[str, int], ...]
  data_dir: str
  version: str
  storage_dtype: str = 'float16'
  file_format: str = 'tfrecord'
  examples_per_shard: int | None = None
  min_psnr: float | None = None
  on_bad_example: str = 'stop'
  strict_devices: bool = False
  images_per_batch: int | None = None
  overwrite: bool = False
  private_key: PrivateKey | None = None

  def __post_init__(self):
    for split, size in self.splits:
      if not SPLIT_NAME.fullmatch(split):
        raise ValueError(
          f'The source has a split {split!r:.120}, which is no part of a file '
          'name: letters, digits, _ and - are, up to 100 of them. Choose '
          'others with --splits.'
        )
      count = self._num_shards(size)
      if not 1 <= count <= MAX_SHARDS:
        raise ValueError(
          f'examples_per_shard={self.examples_per_shard} makes {count} shards '
          f'of the {size} examples of {split!r}; 1 to {MAX_SHARDS} are '
          'possible.'
        )

  @property
  def config_name(self) -> str:
    """The TFDS config name."""
    if self.private_key:
      return self.private_key.name
    return config_names.config_name(self.source.name, self.config)

  @property
  def directory(self) -> pathlib.Path:
    """Where TFDS looks for the dataset."""
    root = storage.path(self.data_dir)
    return root / DATASET / self.config_name / self.version

  @property
  def staging(self) -> pathlib.Path:
    """Where its shards are collected until all are there."""
    return self.directory.with_name(
      f'staging.{self.version}.{self.fingerprint[:16]}'
    )

  @property
  def num_examples(self) -> int:
    """Examples of all splits."""
    return sum(size for _, size in self.splits)

  @property
  def example_bytes(self) -> int:
    """What an example takes on disk, about."""
    return round(self.representation_bytes * _STORED[self.file_format]) + 4096

  @property
  def representation_bytes(self) -> int:
    """Bytes of one representation as it is stored, but for compression."""
    height, width, channels = self.source.schema.shape
    itemsize = {'float16': 2, 'float32': 4}[self.storage_dtype]
    units = self.config.representation_channels(channels)
    return height * width * units * itemsize

  @functools.cached_property
  def identity(self) -> dict:
    """What the dataset's bits depend on: the fingerprint's contents."""
    config, key = dataclasses.asdict(self.config), None
    if self.private_key:
      config['seed'] = None
      key = {'name': self.private_key.name, 'id': self.private_key.id}
    return {
      'config': config,
      'private_key': key,
      'source': {'name': self.source.name, 'version': self.source.version},
      'shard_stops': [[s, self._shard_stops(size)] for s, size in self.splits],
      'storage_dtype': self.storage_dtype,
      'file_format': self.file_format,
      'min_psnr': self.min_psnr,
      'version': self.version,
    }

  @functools.cached_property
  def fingerprint(self) -> str:
    """SHA-256 of the identity, in hexadecimal."""
    text = json.dumps(self.identity, sort_keys=True, separators=(',', ':'))
    return hashlib.sha256(text.encode()).hexdigest()

  def shards(self) -> list[ShardSpec]:
    """All shards, split by split, in order."""
    shards, dataset = [], str(self.staging)
    for split, size in self.splits:
      stops = self._shard_stops(size)
      for i, (start, stop) in enumerate(zip([0, *stops], stops, strict=False)):
        shards.append(
          ShardSpec(
            dataset=dataset,
            split=split,
            index=i,
            count=len(stops),
            start=start,
            stop=stop,
            fingerprint=self.fingerprint,
          )
        )
    return shards

  def _num_shards(self, size: int) -> int:
    limit = self.examples_per_shard or (128 if size >= 4096 else 32)
    return -(-size // limit)

  def _shard_stops(self, size: int) -> list[int]:
    """Where the shards of a split end; sizes differ by at most one."""
    count = self._num_shards(size)
    return [(i + 1) * size // count for i in range(count)]

  def save(self) -> None:
    """Writes the plan into its staging folder, for workers to load."""
    (self.staging / MANIFESTS).mkdir(parents=True, exist_ok=True)
    text = json.dumps(dataclasses.asdict(self), indent=2)
    storage.write_text(self.staging / PLAN_FILE, text)


def load_plan(staging: str) -> DatasetPlan:
  """The plan saved in a staging folder.

  Raises:
    BuildError: if there is none that belongs there.
  """
  try:
    plan = strict_json.read(storage.path(staging) / PLAN_FILE, DatasetPlan)
    # The name holds the fingerprint: no other dataset's files are touched.
    if str(plan.staging) != staging:
      raise ValueError(f'its plan is for {plan.staging}.')
  except (OSError, ValueError) as error:
    raise BuildError(
      f'{staging} has no valid plan: {error}\nRun the same command again: it '
      'writes the plan anew.'
    ) from error
  return plan
