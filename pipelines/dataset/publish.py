"""Publishes a dataset: moves it from its staging folder to where TFDS finds it.

It becomes visible all at once, when its last file is in place.
"""

from __future__ import annotations

import math
import pathlib

from pipelines.dataset import metadata
from pipelines.dataset.manifest import Manifest, read_manifests
from pipelines.dataset.metadata import (
  BAD_EXAMPLES_FILE,
  INFO_FILE,
  METADATA_FILES,
)
from pipelines.dataset.state import (
  DatasetState,
  Depth,
  Kind,
  dataset_state,
  published_fingerprint,
)
from pipelines.errors import BuildError
from pipelines.files import listing, storage
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.plan.saved_plan import MANIFESTS, PLAN_FILE, load_plan
from pipelines.plan.shards import DATASET, ShardSpec


def publish(staging: str, sha256: dict[ShardSpec, str]) -> None:
  """Publishes the dataset whose shards are all in a staging folder.

  Files are linked, not moved. So the staging folder is complete until
  `dataset_info.json` is in place, the last file of all, and a step that fails
  can be tried again. No file of the dataset itself is removed, so two workers
  may publish it at the same time.

  Args:
    staging: The path of the staging folder. If it has no plan any more, the
      dataset has been published already, and nothing is done.
    sha256: The SHA-256 of each shard's file, as the workers of this run wrote
      or verified it.

  Raises:
    BuildError: if a shard is missing or not sound, or if another dataset or
      foreign files are in the dataset's folder.
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
  """The paths of all shards and manifests, relative to the dataset's folder."""
  names = [plan.file_name(shard) for shard in plan.shards()]
  return names + [f'{MANIFESTS}/{name}.json' for name in names]


def _link(
  plan: DatasetPlan,
  parts: list[str],
  source: pathlib.Path,
  target: pathlib.Path,
) -> None:
  """Links shards and manifests from one folder into another.

  Args:
    plan: The plan of the dataset.
    parts: The paths of the files, relative to both folders.
    source: The folder that has the files.
    target: The folder that gets them.
  """
  (target / MANIFESTS).mkdir(parents=True, exist_ok=True)
  storage.map_files(
    lambda part: storage.link(source / part, target / part),
    parts,
    storage.is_remote(plan.staging),
  )


def _was_published(plan: DatasetPlan, sha256: dict[ShardSpec, str]) -> bool:
  """Whether the dataset is published, with the very shards of this run.

  Then an earlier attempt published it and failed only to remove the staging
  folder.
  """
  # The shards are read, because this run may be here to replace a published
  # file that has the right size and the wrong contents.
  state = dataset_state(plan, Depth.HASHES)
  return state.kind is Kind.PUBLISHED and all(
    manifest.sha256 == sha256.get(shard)
    for shard, manifest in state.manifests.items()
  )


def remove_staging(plan: DatasetPlan) -> None:
  """Removes the staging folder, with the plan last.

  As long as there is a plan, later runs know that files may be left here.
  """
  found = listing.entries(plan.staging)
  storage.map_files(
    storage.remove,
    [path for path in found if path.name not in (PLAN_FILE, MANIFESTS)]
    + listing.entries(plan.staging / MANIFESTS),
    storage.is_remote(plan.staging),
  )
  storage.remove(plan.staging)


def mend_texts(plan: DatasetPlan, state: DatasetState) -> None:
  """Writes the describing files again that are missing or altered.

  Args:
    plan: The plan of the dataset.
    state: The state of the dataset, which has the right contents of them.
  """
  for name in sorted(state.damaged_texts, key=INFO_FILE.__eq__):
    text = state.damaged_texts[name]
    if text is None:
      storage.remove(plan.directory / name)
    else:
      storage.write_text(plan.directory / name, text)


def restage(plan: DatasetPlan) -> None:
  """Links the files of a damaged published dataset into the staging folder.

  There the build checks them like all staged shards: it keeps the sound ones
  and fits the others again.
  """
  published, staged = _files(plan.directory), _files(plan.staging)
  parts = [p for p in _parts(plan) if p in published and p not in staged]
  _link(plan, parts, plan.directory, plan.staging)


def _files(folder: pathlib.Path) -> set[str]:
  """The paths of a folder's files and manifests, relative to the folder."""
  manifests = {p.name for p in listing.entries(folder / MANIFESTS)}
  return {p.name for p in listing.entries(folder)} | {
    f'{MANIFESTS}/{name}' for name in manifests
  }


def check_target(plan: DatasetPlan) -> None:
  """Checks that the plan's dataset may be written to its folder.

  Raises:
    BuildError: if another dataset is there and `overwrite` is not set, or if
      there are files that belong to no dataset of this project.
  """
  target = plan.directory
  found = published_fingerprint(plan)
  if found and found != plan.fingerprint and not plan.settings.overwrite:
    raise BuildError(
      f'{target} holds another dataset of this name: its fingerprint is '
      f'{found[:16]}, this one would have {plan.fingerprint[:16]} (they differ '
      'in their splits, limits, storage, shards or source).\nPass --overwrite '
      'to replace it, or another --data_dir.'
    )
  found = listing.entries(target)
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
  """The manifests of all staged shards, checked against their files.

  Args:
    plan: The plan of the dataset.
    sha256: The SHA-256 of each shard's file, as the workers reported it.

  Raises:
    BuildError: if a shard is missing or not the one that was reported.
  """
  manifests = read_manifests(plan)
  uploaded, suspect = listing.uploaded_hashes(plan.staging), _suspect(plan)
  for shard, manifest in manifests.items():
    path = plan.staging / plan.file_name(shard)
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
  """The names of staged shards that are gone or newer than their manifests.

  A worker that the runner had given up may have written such a shard again,
  after another worker had finished it. So its hash must be computed.
  """
  shards = listing.times(plan.staging)
  manifests = listing.times(plan.staging / MANIFESTS)
  names = [plan.file_name(shard) for shard in plan.shards()]
  return {
    name
    for name in names
    if shards.get(name, math.inf) > manifests.get(f'{name}.json', 0)
  }


def _is_ours(path: pathlib.Path) -> bool:
  """Whether a file in a dataset's folder has a name that a build gives."""
  names = (MANIFESTS, BAD_EXAMPLES_FILE, *METADATA_FILES)
  name = storage.final_name(path)
  return name in names or name.startswith(f'{DATASET}-')


def _clear(plan: DatasetPlan) -> None:
  """Removes the files of another dataset from the plan's folder.

  `dataset_info.json` goes first, so that TFDS finds no incomplete dataset.
  """
  target = plan.directory
  if plan.settings.overwrite or published_fingerprint(plan) != plan.fingerprint:
    storage.remove(target / INFO_FILE)
  parts = {target / part for part in _parts(plan)}
  found = [*listing.entries(target), *listing.entries(target / MANIFESTS)]
  for path in found:
    if path.name.startswith(f'{DATASET}-') and path not in parts:
      storage.remove(path)


def _publish_info(
  plan: DatasetPlan, manifests: dict[ShardSpec, Manifest]
) -> None:
  """Writes the files that describe the dataset, `dataset_info.json` last."""
  staged = plan.staging / 'info'
  staged.mkdir(exist_ok=True)
  for name, text in metadata.default_config_texts().items():
    target = plan.directory.parents[1] / name
    target.parent.mkdir(exist_ok=True)
    # All datasets of the folder share this file, and a bucket accepts only one
    # write of it per second. It is linked, so that a killed build leaves its
    # incomplete file here, where the next one removes it.
    if not target.exists() or target.read_bytes() != text.encode():
      storage.write_text(staged / 'default_config', text)
      storage.link(staged / 'default_config', target)
  texts = metadata.texts(plan, manifests)
  if BAD_EXAMPLES_FILE not in texts:
    storage.remove(plan.directory / BAD_EXAMPLES_FILE)
  for name in sorted(texts, key=INFO_FILE.__eq__):
    storage.write_text(staged / name, texts[name])
    storage.link(staged / name, plan.directory / name)
