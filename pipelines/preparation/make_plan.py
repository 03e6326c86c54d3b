"""Turns a builder and settings into a plan, and refuses what cannot work."""

from __future__ import annotations

import dataclasses
import math
import os
import pathlib
import shutil

import tensorflow_datasets as tfds

from linac_tfds import Cifar10Linac
from linac_tfds.schema import STORAGE_DTYPES, image_schema
from linac_tfds.sources import find_source
from pipelines.dataset.manifest import manifest_path, read_manifests
from pipelines.dataset.publish import check_target, published_fingerprint
from pipelines.errors import BuildError
from pipelines.files import bucket, storage
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.plan.private_key import PrivateKey, find_private_key
from pipelines.runners.local import devices
from pipelines.runners.worker_hints import check_hints
from pipelines.worker.source import prepare_source

FILE_FORMATS = ('tfrecord', 'array_record')
ON_BAD_EXAMPLE = ('stop', 'skip')


@dataclasses.dataclass(frozen=True)
class Settings:
  """What a build is told beyond its builder.

  Attributes:
    splits: to build; None for all of the source.
    max_examples_per_split: the first so many of each split; None for all.
    examples_per_shard: at most; None for the layout's own choice.
    storage_dtype: of the stored representations.
    file_format: of the shards; None for the builder's.
    min_psnr: dB that a fit must reach, or its example is bad; None for any.
    on_bad_example: `'stop'` before publishing, or `'skip'` such examples.
    strict_devices: whether to refuse float32 shards of several kinds of devices
      or versions of jaxlib.
    images_per_batch: images fitted by one call to the device; None for 1 on a
      core, on a GPU for what its memory holds.
    direct_num_workers: local processes; None for one per GPU or core.
    accelerator: that a Beam runner finds for workers, as in
      `type:nvidia-l4;count:1;install-nvidia-driver`; None for CPUs.
    worker_ram: that it finds for workers that fit, as in `16GB`.
    compilation_cache: folder of compiled programs for workers to share; None
      for none. Whoever can write there can run code on the workers.
    overwrite: whether to replace a dataset of the same name.
    private_key_file: that holds the key of a private config; None for
      `LINAC_PRIVATE_KEY`.
    download_dir: where files of the source are downloaded to.
  """

  splits: tuple[str, ...] | None = None
  max_examples_per_split: int | None = None
  examples_per_shard: int | None = None
  storage_dtype: str = 'float16'
  file_format: str | None = None
  min_psnr: float | None = None
  on_bad_example: str = 'stop'
  strict_devices: bool = False
  images_per_batch: int | None = None
  direct_num_workers: int | None = None
  accelerator: str | None = None
  worker_ram: str | None = None
  compilation_cache: str | None = None
  overwrite: bool = False
  private_key_file: str | None = None
  download_dir: str | None = None

  def __post_init__(self):
    for name in (
      'max_examples_per_split',
      'examples_per_shard',
      'images_per_batch',
      'direct_num_workers',
    ):
      value = getattr(self, name)
      if value is not None and value < 1:
        raise ValueError(f'{name}={value} must be at least 1.')
    check_hints(self.accelerator, self.worker_ram)
    most = devices.most_workers()
    if self.direct_num_workers and self.direct_num_workers > most:
      raise ValueError(
        f'direct_num_workers={self.direct_num_workers} is more than the '
        f'{devices.describe(most)} of this machine, one for each.'
      )
    for name, choices in (
      ('storage_dtype', STORAGE_DTYPES),
      ('on_bad_example', ON_BAD_EXAMPLE),
    ):
      if getattr(self, name) not in choices:
        raise ValueError(
          f'{name}={getattr(self, name)!r} is unknown; choose one of '
          f'{", ".join(choices)}.'
        )
    if self.min_psnr is not None and not math.isfinite(self.min_psnr):
      raise ValueError(f'min_psnr={self.min_psnr} must be a number of dB.')


def make_plan(builder: Cifar10Linac, settings: Settings) -> DatasetPlan:
  """Checks everything that can be checked before work starts.

  Raises:
    BuildError: if the folder, the disk or the source do not allow the build.
    ValueError: naming the value, if the transform does not fit the images or a
      setting does not fit the source.
  """
  config = builder.builder_config.linac
  check_folder(storage.path(builder.data_path.parent))
  data_dir = str(storage.path(builder.data_path.parents[2]))
  file_format = settings.file_format or builder.info.file_format
  if isinstance(file_format, tfds.core.FileFormat):
    file_format = file_format.file_suffix
  if file_format not in FILE_FORMATS:
    raise ValueError(
      f'file_format={file_format!r} is not supported; choose one of '
      f'{", ".join(FILE_FORMATS)}.'
    )
  source_builder = find_source(
    builder.builder_config.source, builder.source_data_dir, data_dir
  )
  height, width, channels = image_schema(source_builder).shape
  config.num_steps(height * width)
  config.pixel_constants(channels)
  source, sizes = prepare_source(
    builder.builder_config.source, source_builder, settings.download_dir
  )
  plan = DatasetPlan(
    config=config,
    source=source,
    splits=_choose_splits(source.name, sizes, settings),
    data_dir=data_dir,
    version=str(builder.version),
    storage_dtype=settings.storage_dtype,
    file_format=file_format,
    examples_per_shard=settings.examples_per_shard,
    min_psnr=None if settings.min_psnr is None else float(settings.min_psnr),
    on_bad_example=settings.on_bad_example,
    # Float64 bits are the same on all.
    strict_devices=settings.strict_devices and config.precision == 'float32',
    images_per_batch=settings.images_per_batch,
    overwrite=settings.overwrite,
    private_key=_private_key(builder, settings),
  )
  check_target(plan)
  return plan


def _private_key(
  builder: Cifar10Linac, settings: Settings
) -> PrivateKey | None:
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
  chosen = settings.splits or tuple(s for s, n in sizes.items() if n)
  if len(set(chosen)) < len(chosen):
    raise ValueError(f'splits={",".join(chosen)} names a split twice.')
  for split in chosen:
    if not sizes.get(split):
      raise ValueError(
        f'splits={split!r}: the source {source} has no such split, or it is '
        f'empty; it has {", ".join(s for s, n in sizes.items() if n)}.'
      )
  limit = settings.max_examples_per_split
  return tuple((s, min(sizes[s], limit or sizes[s])) for s in chosen)


def check_folder(folder: pathlib.Path) -> None:
  """Raises BuildError unless we may write in a folder, there or not yet."""
  if storage.is_remote(folder):
    bucket.check_access(folder, bucket.WRITE)
    return
  try:
    existing = _existing_parent(folder)
  except OSError as error:  # A name that is too long, a folder that is closed.
    raise BuildError(f'{folder} cannot be written: {error}.') from error
  if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
    reason = 'gives no permission' if existing.is_dir() else 'is no folder'
    raise BuildError(
      f'{folder} cannot be written: {existing} {reason}. Pass another '
      '--data_dir.'
    )


def check_space(plans: list[DatasetPlan]) -> None:
  """Raises BuildError unless there is room for what is yet to be made."""
  folder = plans[0].directory
  if storage.is_remote(folder):
    return  # Buckets have no end.
  needed = sum(map(_missing_bytes, plans))
  folder = _existing_parent(folder)
  free = shutil.disk_usage(folder).free
  if needed > free:
    raise BuildError(
      f'What is to be built needs {needed / 1e9:.1f} GB in {folder}, which has '
      f'{free / 1e9:.1f} GB free. Pass another --data_dir, or fewer images '
      'with --splits or --max_examples_per_split.'
    )


def _missing_bytes(plan: DatasetPlan) -> int:
  if published_fingerprint(plan) == plan.fingerprint and not plan.overwrite:
    return 0  # What is damaged is linked and mended.
  todo = [s for s in plan.shards() if not manifest_path(plan, s).exists()]
  if todo and not plan.overwrite:  # What is there of the dataset is linked.
    linked = read_manifests(plan, plan.directory)
    todo = [s for s in todo if not linked[s]]
  return sum(s.size for s in todo) * plan.example_bytes


def _existing_parent(path: pathlib.Path) -> pathlib.Path:
  return next(p for p in (path, *path.parents) if p.exists())
