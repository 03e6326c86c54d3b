"""Makes and reads the files that describe a published dataset."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import statistics
import tempfile

import tensorflow_datasets as tfds
from etils import epath

from linac_tfds import Cifar10Linac, LinacBuilderConfig, schema
from pipelines.dataset.manifest import Manifest
from pipelines.files import strict_json
from pipelines.plan import version_1_0
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.plan.fingerprint import MEANT_BY_DEFAULT, SCHEMA, provenance
from pipelines.plan.shards import DATASET, ShardSpec

# TFDS finds a dataset if this file is there, so it is written last.
INFO_FILE = 'dataset_info.json'
FEATURES_FILE = 'features.json'
LABELS_FILE = 'label.labels.txt'
# The provenance of the dataset; see `Metadata`.
METADATA_FILE = 'metadata.json'
# A description for search engines and other programs. TFDS does not need it.
CROISSANT_FILE = 'croissant.json'
# The examples that were left out, a JSON object per line. There is no such file
# if none was.
BAD_EXAMPLES_FILE = 'bad_examples.jsonl'
# The describing files that every dataset has.
METADATA_FILES = (
  FEATURES_FILE,
  LABELS_FILE,
  METADATA_FILE,
  CROISSANT_FILE,
  INFO_FILE,
)


@dataclasses.dataclass(frozen=True)
class Metadata:
  """The provenance of a dataset: the contents of `metadata.json`.

  `dataset_metadata` makes them. The file also has the number of its schema,
  which is no field here.

  Attributes:
    fingerprint: The dataset's fingerprint.
    config: The fields of the transform, with `seed`; that is None for a private
      key.
    private_key: The name and the id of the private key, or None.
    source: The name and the version of the source and, from version 1.1 on, the
      hash of its `contents`; also `image_feature` and `label_feature`, if these
      features have other names than `image` and `label`.
    shard_stops: The name of each split, with the index after the last example
      of each of its shards.
    settings: The settings on which stored examples depend.
    version: The version of the dataset.
    library_versions: The versions of each library that fitted any shard.
    bad_examples: The number of examples left out of each split.
    devices: The devices that fitted any shard.
    psnr: The mean, minimum, median and maximum PSNR of each split, in dB.
  """

  fingerprint: str
  config: dict
  private_key: dict[str, str] | None
  source: dict[str, str]
  shard_stops: list[tuple[str, list[int]]]
  settings: dict
  version: str
  library_versions: dict[str, list[str]]
  bad_examples: dict[str, int]
  devices: list[str]
  psnr: dict[str, dict[str, float]]


def read_metadata(directory: pathlib.Path) -> Metadata:
  """Reads the `metadata.json` of a published dataset of any version so far.

  Args:
    directory: The folder of the dataset's version.

  Raises:
    OSError: if the file cannot be read.
    ValueError: if the file holds no metadata; the message names it.
  """
  path = directory / METADATA_FILE
  value = strict_json.read(path, dict)
  try:
    new = strict_json.upgraded(value, SCHEMA, version_1_0.upgraded_metadata)
    found = strict_json.convert(new, Metadata)
  except ValueError as error:
    raise ValueError(f'{path} is not valid: {error}') from error
  # A field of the transform that the file does not mention was added later.
  config = strict_json.plain(MEANT_BY_DEFAULT) | found.config
  return dataclasses.replace(found, config=config)


def texts(
  plan: DatasetPlan, manifests: dict[ShardSpec, Manifest]
) -> dict[str, str]:
  """The contents of all files that describe a dataset, by file name.

  Args:
    plan: The plan of the dataset.
    manifests: The manifests of all its shards.
  """
  # Imported here, because it takes a second.
  from pipelines.dataset.croissant import croissant

  by_split = {
    split: [m for shard, m in manifests.items() if shard.split == split]
    for split, _ in plan.splits
  }
  with tempfile.TemporaryDirectory() as folder:
    info = _dataset_info(plan, by_split, folder)
    info.write_to_directory(epath.Path(folder))
    # TFDS also writes the licence into a file without a suffix, which is left
    # out: `dataset_info.json` has it too.
    found = {
      p.name: p.read_text(encoding='utf-8')
      for p in pathlib.Path(folder).glob('*.*')
    }
  found[CROISSANT_FILE] = croissant(info)
  if lines := bad_example_lines(by_split):
    found[BAD_EXAMPLES_FILE] = lines
  return found


def default_config_texts() -> dict[str, str]:
  """The contents of the files that name the default config, by path.

  TFDS loads that config if the user names none. Paths are relative to the
  folder that all configs share.
  """
  default = Cifar10Linac.BUILDER_CONFIGS[0].name
  with tempfile.TemporaryDirectory() as folder:
    tfds.core.dataset_builder._save_default_config_name(
      epath.Path(folder), default_config_name=default
    )
    return {
      str(path.relative_to(folder)): path.read_text(encoding='utf-8')
      for path in pathlib.Path(folder).rglob('*')
      if path.is_file()
    }


def _dataset_info(
  plan: DatasetPlan, by_split: dict[str, list[Manifest]], empty_dir: str
) -> tfds.core.DatasetInfo:
  """The TFDS description of a dataset.

  Args:
    plan: The plan of the dataset.
    by_split: The manifests of each split.
    empty_dir: The path of an empty folder.
  """
  builder = Cifar10Linac(
    config=_builder_config(plan),
    # In the dataset's own folder, TFDS would read the files that are there.
    data_dir=empty_dir,
    source_data_dir=plan.source.data_dir,
    image_feature=plan.source.image_feature,
    label_feature=plan.source.label_feature,
  )
  info = builder.make_info(
    schema.example_features(
      plan.source.schema, plan.config, plan.settings.storage_dtype
    )
  )
  info.set_file_format(plan.settings.file_format, override=True)
  info.set_splits(
    tfds.core.SplitDict(
      [split_info(plan, split, parts) for split, parts in by_split.items()]
    )
  )
  info.metadata.update(dataset_metadata(plan, by_split))
  return info


def _builder_config(plan: DatasetPlan) -> LinacBuilderConfig:
  """The config for the TFDS builder."""
  private = plan.private_key
  return LinacBuilderConfig(
    source=plan.source.versioned_name,
    private_name=private.name if private else None,
    dataset_version=plan.version,
    **({} if private else {'seed': plan.seed}),
    **dataclasses.asdict(plan.config),
  )


def split_info(
  plan: DatasetPlan, split: str, manifests: list[Manifest]
) -> tfds.core.SplitInfo:
  """The facts about a split that TFDS records, from its shards' manifests."""
  return tfds.core.SplitInfo(
    name=split,
    shard_lengths=[m.num_examples for m in manifests],
    num_bytes=sum(m.example_bytes for m in manifests),
    filename_template=tfds.core.naming.ShardedFileTemplate(
      data_dir=str(plan.directory),
      dataset_name=DATASET,
      split=split,
      filetype_suffix=plan.settings.file_format,
    ),
  )


def dataset_metadata(
  plan: DatasetPlan, by_split: dict[str, list[Manifest]]
) -> dict:
  """The contents of `metadata.json`.

  Args:
    plan: The plan of the dataset.
    by_split: The manifests of each split, in order. No split may be empty.
  """
  manifests = [m for parts in by_split.values() for m in parts]
  versions = {(k, v) for m in manifests for k, v in m.versions.items()}
  return {
    'schema': SCHEMA,
    'fingerprint': plan.fingerprint,
    **provenance(plan),
    'library_versions': {
      name: sorted(v for k, v in versions if k == name)
      for name in sorted({name for name, _ in versions})
    },
    'bad_examples': {
      split: sum(len(m.bad_examples) for m in parts)
      for split, parts in by_split.items()
    },
    'devices': sorted({m.device for m in manifests}),
    'psnr': {
      split: _statistics([x for m in parts for x in m.measures['psnr']])
      for split, parts in by_split.items()
    },
  }


def _statistics(values: list[float]) -> dict[str, float]:
  """The mean, minimum, median and maximum of some values."""
  return {
    'mean': statistics.fmean(values),
    'min': min(values),
    'median': statistics.median(values),
    'max': max(values),
  }


def bad_example_lines(by_split: dict[str, list[Manifest]]) -> str:
  """The contents of `BAD_EXAMPLES_FILE`, or '' if no example was left out."""
  return ''.join(
    json.dumps({'split': split, **dataclasses.asdict(example)}, allow_nan=False)
    + '\n'
    for split, manifests in by_split.items()
    for manifest in manifests
    for example in manifest.bad_examples
  )
