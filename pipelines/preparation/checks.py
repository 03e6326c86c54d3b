"""Checks of the folder and of the disk, before work starts."""

from __future__ import annotations

import os
import pathlib
import shutil

from pipelines.dataset.manifest import manifest_path, read_manifests
from pipelines.dataset.state import published_fingerprint
from pipelines.errors import BuildError
from pipelines.files import bucket, storage
from pipelines.plan.dataset_plan import DatasetPlan


def check_folder(folder: pathlib.Path) -> None:
  """Raises BuildError unless we may write in a folder, there or not yet."""
  if storage.is_remote(folder):
    bucket.check_access(folder, bucket.WRITE)
    return
  try:
    existing = _existing_parent(folder)
  except OSError as error:  # The name is too long, or a folder is closed.
    raise BuildError(f'{folder} cannot be written: {error}.') from error
  if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
    reason = 'gives no permission' if existing.is_dir() else 'is no folder'
    raise BuildError(
      f'{folder} cannot be written: {existing} {reason}. Pass another '
      '--data_dir.'
    )


def check_space(plans: list[DatasetPlan]) -> None:
  """Raises BuildError unless there is room for what is still to be made."""
  folder = plans[0].directory
  if storage.is_remote(folder):
    return  # A bucket never gets full.
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
  overwrite = plan.settings.overwrite
  if published_fingerprint(plan) == plan.fingerprint and not overwrite:
    return 0  # Sound shards are linked, and few are damaged.
  todo = [s for s in plan.shards() if not manifest_path(plan, s).exists()]
  if todo and not overwrite:  # The dataset's own shards are linked.
    linked = read_manifests(plan, plan.directory)
    todo = [s for s in todo if not linked[s]]
  return sum(s.size for s in todo) * plan.example_bytes


def _existing_parent(path: pathlib.Path) -> pathlib.Path:
  return next(p for p in (path, *path.parents) if p.exists())
