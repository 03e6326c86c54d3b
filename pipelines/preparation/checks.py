"""Checks of the folder and of the disk, before a build starts."""

from __future__ import annotations

import pathlib
import shutil

from linac_config import paths
from pipelines.dataset.manifest import manifest_path, read_manifests
from pipelines.dataset.state import published_fingerprint
from pipelines.errors import BuildError
from pipelines.files import bucket_access, storage
from pipelines.plan.dataset_plan import DatasetPlan


def check_folder(folder: pathlib.Path) -> None:
  """Checks that this user may write into a folder, which need not exist yet.

  Raises:
    BuildError: if the folder cannot be written or created.
  """
  if storage.is_remote(folder):
    bucket_access.check_access(folder, bucket_access.WRITE)
    return
  if reason := paths.why_not_writable(folder):
    raise BuildError(
      f'{folder} cannot be written: {reason}. Pass another --data_dir.'
    )


def check_space(plans: list[DatasetPlan]) -> None:
  """Checks that the disk has room for the shards that are not there yet.

  Args:
    plans: The plans of all datasets of the build, which share a disk.

  Raises:
    BuildError: if there is too little room.
  """
  folder = plans[0].directory
  if storage.is_remote(folder):
    return  # A bucket never gets full.
  needed = sum(map(_missing_bytes, plans))
  folder = _existing_parent(folder)
  free = shutil.disk_usage(folder).free
  if needed > free:
    raise BuildError(
      f'The build needs {needed / 1e9:.1f} GB in {folder}, which has only '
      f'{free / 1e9:.1f} GB free. Pass another --data_dir, or build fewer '
      'images with --splits or --max_examples_per_split.'
    )


def _missing_bytes(plan: DatasetPlan) -> int:
  """The estimated size of the shards that a build has to write, in bytes."""
  overwrite = plan.settings.overwrite
  if published_fingerprint(plan) == plan.fingerprint and not overwrite:
    # Links to sound shards take no room, and few shards are damaged.
    return 0
  todo = [s for s in plan.shards() if not manifest_path(plan, s).exists()]
  # Publishing may have been interrupted. Shards of this dataset that are in its
  # folder already are linked.
  if todo and not overwrite:
    linked = read_manifests(plan, plan.directory)
    todo = [s for s in todo if not linked[s]]
  return sum(s.size for s in todo) * plan.example_bytes


def _existing_parent(path: pathlib.Path) -> pathlib.Path:
  """The path itself if it exists, or else its closest parent that does."""
  return next(p for p in (path, *path.parents) if p.exists())
