"""Makes a finished dataset visible to TFDS, all at once."""

from __future__ import annotations

import dataclasses
import json
import math
import pathlib
import re
import statistics
import tempfile

import tensorflow_datasets as tfds
from etils import epath

from linac_tfds import Cifar10Linac, LinacBuilderConfig, schema
from pipelines import json_file, storage
from pipelines.errors import BuildError
from pipelines.manifest import Manifest, read_manifests
from pipelines.plan import (
  DATASET,
  MANIFESTS,
  PLAN_FILE,
  DatasetPlan,
  ShardSpec,
  load_plan,
)

# A dataset is visible to TFDS when this file is there.
INFO_FILE = 'dataset_info.json'
METADATA_FILE = 'metadata.json'
_METADATA_FILES = (
  'features.json',
  'label.labels.txt',
  METADATA_FILE,
  INFO_FILE,
)
# What was left out, an object a line.
BAD_EXAMPLES_FILE = 'bad_examples.jsonl'
# For search engines and other readers than TFDS, which does without it.
CROISSANT_FILE = 'croissant.json'


def publish(staging: str, sha256: dict[ShardSpec, str]) -> None:
  """Publishes the dataset whose shards are all in a staging folder.

  Files are linked, not moved: until `dataset_info.json` is in place, last of
  all, staging is whole, and whatever fails can be tried again. Nothing that
  belongs to the dataset is removed, so that two workers may publish it at once.

  Args:
    staging: the folder. If it is gone, the dataset is published already.
    sha256: of each shard's file, as this run's workers wrote or verified it.

  Raises:
    BuildError: if a shard is missing or not sound, or another dataset is in the
      way.
  """
  if not (storage.path(staging) / PLAN_FILE).exists():
    return
  plan = load_plan(staging)
  if not _was_published(plan, sha256):
    manifests = _all_manifests(plan, sha256)
    check_target(plan)
    _clear(plan)
    _link(plan, _parts(plan), plan.staging, plan.directory)
    _publish_info(plan, manifests)
  remove_staging(plan)


def _parts(plan: DatasetPlan) -> list[str]:
  """The files of all shards, relative to their folder."""
  names = [shard.file_name(plan.file_format) for shard in plan.shards()]
  return names + [f'{MANIFESTS}/{name}.json' for name in names]


def _link(
  plan: DatasetPlan,
  parts: list[str],
  source: pathlib.Path,
  target: pathlib.Path,
) -> None:
  (target / MANIFESTS).mkdir(parents=True, exist_ok=True)
  storage.map_files(
    lambda part: storage.link(source / part, target / part),
    parts,
    storage.is_remote(plan.staging),
  )


def _was_published(plan: DatasetPlan, sha256: dict[ShardSpec, str]) -> bool:
  """Whether an earlier attempt only failed to remove staging."""
  if not is_published(plan):
    return False
  found = _published_manifests(plan)
  return all(found[s] and found[s].sha256 == sha256.get(s) for s in found)


def remove_staging(plan: DatasetPlan) -> None:
  """Removes staging, the plan last: while it is there, so may be the rest."""
  found = storage.entries(plan.staging)
  storage.map_files(
    storage.remove,
    [path for path in found if path.name not in (PLAN_FILE, MANIFESTS)]
    + storage.entries(plan.staging / MANIFESTS),
    storage.is_remote(plan.staging),
  )
  storage.remove(plan.staging)


def published_fingerprint(plan: DatasetPlan) -> str | None:
  """The fingerprint of the dataset under the plan's name, if there is one.

  It is `'unknown'` where the dataset's metadata do not tell it.
  """
  if not (plan.directory / INFO_FILE).exists():
    return None
  try:
    metadata = json_file.read(plan.directory / METADATA_FILE, dict)
    found = json_file.convert(metadata.get('fingerprint'), str)
  except (OSError, ValueError):
    return 'unknown'
  return found if re.fullmatch('[0-9a-f]{64}', found) else 'unknown'


def is_published(plan: DatasetPlan) -> bool:
  """Whether the plan's dataset is there, no file missing or damaged."""
  there = {path.name for path in storage.entries(plan.directory)}
  return (
    published_fingerprint(plan) == plan.fingerprint
    and there.issuperset(_METADATA_FILES)
    and _labels(plan) == list(plan.source.schema.class_names)
    and _has_croissant(plan)
    and _is_whole(plan)
  )


def _has_croissant(plan: DatasetPlan) -> bool:
  from linac_tfds.croissant import croissant  # Takes a second to import.

  if not (plan.directory / CROISSANT_FILE).exists():
    return True  # TFDS does without; datasets of earlier releases have none.
  try:
    found = json_file.read(plan.directory / CROISSANT_FILE, dict)
    info = tfds.builder_from_directory(str(plan.directory)).info
    return found == json.loads(croissant(info))
  except Exception:  # TFDS and Protocol buffers have their own for damage.
    return False


def _labels(plan: DatasetPlan) -> list[str]:
  path = plan.directory / 'label.labels.txt'
  try:
    return tfds.features.ClassLabel(names_file=str(path)).names
  except (OSError, ValueError):  # Names that occur twice, or no text.
    return []


def _published_manifests(
  plan: DatasetPlan,
) -> dict[ShardSpec, Manifest | None]:
  def read(shard: ShardSpec) -> Manifest | None:
    name = f'{shard.file_name(plan.file_format)}.json'
    try:
      return json_file.read(plan.directory / MANIFESTS / name, Manifest)
    except (OSError, ValueError):
      return None

  shards = plan.shards()
  found = storage.map_files(read, shards, storage.is_remote(plan.directory))
  return dict(zip(shards, found, strict=True))


def _is_whole(plan: DatasetPlan) -> bool:
  """Whether all shards are what their manifests say."""

  def check(item: tuple[ShardSpec, Manifest | None]) -> bool:
    shard, manifest = item
    path = plan.directory / shard.file_name(plan.file_format)
    try:
      return bool(manifest) and storage.file_sha256(path) == manifest.sha256
    except OSError:
      return False

  found = _published_manifests(plan).items()
  return all(storage.map_files(check, found, storage.is_remote(plan.directory)))


def restage(plan: DatasetPlan) -> None:
  """Links what is left of a published dataset into staging.

  There it is checked like all that is staged, and what is sound is kept.
  """
  published, staged = _files(plan.directory), _files(plan.staging)
  parts = [p for p in _parts(plan) if p in published and p not in staged]
  _link(plan, parts, plan.directory, plan.staging)


def _files(folder: pathlib.Path) -> set[str]:
  """The files of a folder and of its manifests, relative to it."""
  manifests = {p.name for p in storage.entries(folder / MANIFESTS)}
  return {p.name for p in storage.entries(folder)} | {
    f'{MANIFESTS}/{name}' for name in manifests
  }


def check_target(plan: DatasetPlan) -> None:
  """Refuses to touch what is not an unfinished dataset of this very plan.

  Raises:
    BuildError: if another dataset, or anything else, is in the way.
  """
  target = plan.directory
  found = published_fingerprint(plan)
  if found and found != plan.fingerprint and not plan.overwrite:
    raise BuildError(
      f'{target} holds another dataset of this name: its fingerprint is '
      f'{found[:16]}, this one would have {plan.fingerprint[:16]} (they differ '
      'in splits, limits, storage, shards or the version of the source).\nPass '
      '--overwrite to replace it, or another --data_dir.'
    )
  found = storage.entries(target)
  foreign = [path.name for path in found if not _is_ours(path)]
  if foreign:
    raise BuildError(
      f'{target} holds files that are not of this dataset: '
      f'{", ".join(foreign[:5])}. Move them away, or pass another '
      '--data_dir.'
    )


def _all_manifests(
  plan: DatasetPlan, sha256: dict[ShardSpec, str]
) -> dict[ShardSpec, Manifest]:
  manifests = read_manifests(plan)
  uploaded, suspect = storage.uploaded_hashes(plan.staging), _suspect(plan)
  for shard, manifest in manifests.items():
    path = plan.staging / shard.file_name(plan.file_format)
    found = uploaded.get(path.name)
    if found is None and path.name in suspect:
      found = storage.file_sha256(path) if path.exists() else 'gone'
    if (
      not manifest
      or manifest.sha256 != sha256.get(shard)
      or manifest.sha256 != (found or manifest.sha256)
    ):
      raise BuildError(
        f'The shard {path} is not finished; run the same command again.'
      )
  return manifests


def _suspect(plan: DatasetPlan) -> set[str]:
  """Staged shards that are gone, or newer than their manifests.

  A worker that was given up may have written one once more.
  """
  shards = storage.times(plan.staging)
  manifests = storage.times(plan.staging / MANIFESTS)
  names = [shard.file_name(plan.file_format) for shard in plan.shards()]
  return {
    name
    for name in names
    if shards.get(name, math.inf) > manifests.get(f'{name}.json', 0)
  }


def _is_ours(path: pathlib.Path) -> bool:
  names = (MANIFESTS, BAD_EXAMPLES_FILE, CROISSANT_FILE, *_METADATA_FILES)
  return path.name in names or path.name.startswith(f'{DATASET}-')


def _clear(plan: DatasetPlan) -> None:
  """Removes what is there of another dataset, its visibility first."""
  target = plan.directory
  if plan.overwrite or published_fingerprint(plan) != plan.fingerprint:
    storage.remove(target / INFO_FILE)
  parts = {target / part for part in _parts(plan)}
  found = [*storage.entries(target), *storage.entries(target / MANIFESTS)]
  for path in found:
    if path.name.startswith(f'{DATASET}-') and path not in parts:
      storage.remove(path)


def _publish_info(
  plan: DatasetPlan, manifests: dict[ShardSpec, Manifest]
) -> None:
  """Writes TFDS's files, `dataset_info.json` last."""
  from linac_tfds.croissant import croissant  # Takes a second to import.

  builder = Cifar10Linac(
    config=_builder_config(plan),
    data_dir=plan.data_dir,
    source_data_dir=plan.source.data_dir,
  )
  info = builder.make_info(
    schema.example_features(plan.source.schema, plan.config, plan.storage_dtype)
  )
  info.set_file_format(plan.file_format, override=True)
  by_split = {
    split: [m for shard, m in manifests.items() if shard.split == split]
    for split, _ in plan.splits
  }
  info.set_splits(
    tfds.core.SplitDict(
      [split_info(plan, split, parts) for split, parts in by_split.items()]
    )
  )
  info.metadata.update(dataset_metadata(plan, by_split))
  with tempfile.TemporaryDirectory() as folder:
    written = epath.Path(folder)
    info.write_to_directory(written)
    # Which config is meant where none is named.
    tfds.core.dataset_builder._save_default_config_name(
      written, default_config_name=builder.get_default_builder_config().name
    )
    for path in written.glob('.config/*'):
      target = plan.directory.parents[1] / '.config' / path.name
      target.parent.mkdir(exist_ok=True)
      # All datasets share it, and a bucket takes one write of it a second.
      if not target.exists() or target.read_text() != path.read_text():
        storage.write_text(target, path.read_text())
    texts = {path.name: path.read_text() for path in written.glob('*.*')}
  texts[CROISSANT_FILE] = croissant(info)
  if lines := bad_example_lines(by_split):
    texts[BAD_EXAMPLES_FILE] = lines
  else:
    storage.remove(plan.directory / BAD_EXAMPLES_FILE)
  staged = plan.staging / 'info'
  staged.mkdir(exist_ok=True)
  for name in sorted(texts, key=INFO_FILE.__eq__):
    storage.write_text(staged / name, texts[name])
    storage.link(staged / name, plan.directory / name)


def bad_example_lines(by_split: dict[str, list[Manifest]]) -> str:
  """What `BAD_EXAMPLES_FILE` holds; the file is there if there are any."""
  return ''.join(
    json.dumps({'split': split, **dataclasses.asdict(example)}) + '\n'
    for split, manifests in by_split.items()
    for manifest in manifests
    for example in manifest.bad_examples
  )


def _builder_config(plan: DatasetPlan) -> str | LinacBuilderConfig:
  if not plan.private_key:
    return plan.config_name
  fields = {k: v for k, v in vars(plan.config).items() if k != 'seed'}
  return LinacBuilderConfig(
    source=plan.source.name, private_name=plan.private_key.name, **fields
  )


def split_info(
  plan: DatasetPlan, split: str, manifests: list[Manifest]
) -> tfds.core.SplitInfo:
  """What TFDS records of a split, from the manifests of its shards."""
  return tfds.core.SplitInfo(
    name=split,
    shard_lengths=[m.num_examples for m in manifests],
    num_bytes=sum(m.example_bytes for m in manifests),
    filename_template=tfds.core.naming.ShardedFileTemplate(
      data_dir=str(plan.directory),
      dataset_name=DATASET,
      split=split,
      filetype_suffix=plan.file_format,
    ),
  )


def dataset_metadata(
  plan: DatasetPlan, by_split: dict[str, list[Manifest]]
) -> dict:
  """The dataset's provenance, for `info.metadata`."""
  manifests = [m for parts in by_split.values() for m in parts]
  versions = {(k, v) for m in manifests for k, v in m.versions.items()}
  return {
    'fingerprint': plan.fingerprint,
    **plan.identity,
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
      split: _statistics([value for m in parts for value in m.psnr])
      for split, parts in by_split.items()
    },
  }


def _statistics(values: list[float]) -> dict[str, float]:
  return {
    'mean': statistics.fmean(values),
    'min': min(values),
    'median': statistics.median(values),
    'max': max(values),
  }
