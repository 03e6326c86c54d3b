"""Finds the datasets in a folder, and how far the build of each one is."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import time

import tensorflow_datasets as tfds

from pipelines.dataset.manifest import read_manifests
from pipelines.dataset.metadata import BAD_EXAMPLES_FILE, INFO_FILE
from pipelines.dataset.read_published import build_rate, open_published
from pipelines.dataset.state import (
  Depth,
  Kind,
  dataset_state,
  finished_shards,
  shard_sizes,
)
from pipelines.files import listing, lock
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.plan.saved_plan import (
  FAILURE_FILE,
  MANIFESTS,
  PLAN_FILE,
  load_plan,
)
from pipelines.plan.shards import DATASET

# The name of a version's folder, or of its staging folder.
_FOLDER = re.compile(r'(staging\.)?(\d+\.\d+\.\d+)(?(1)\.[0-9a-f]{16})')
# The largest number of notes in a status. A file of the finished dataset will
# list all bad examples.
_MAX_REASONS = 5


@dataclasses.dataclass(frozen=True)
class Status:
  """The progress of a dataset's build.

  Attributes:
    plan: The plan of the dataset.
    state: One of `'finished'`, `'damaged'`, `'running'`, `'stopped'` and
      `'failed'`.
    since: The time at which the last build started, in seconds since the epoch;
      None for a published dataset, which does not record it.
    shards: The number of finished shards.
    images: The number of images in the finished shards, bad ones included.
    rate: The speed of the last build in images/s, or None if it is not known.
    num_bad: The number of examples so far that could not be fitted.
    notes: The reasons why examples are bad, the dataset is damaged or the build
      failed; one line each, a few at most.
  """

  plan: DatasetPlan
  state: str
  since: float | None
  shards: int
  images: int
  rate: float | None
  num_bad: int
  notes: list[str]


def find_statuses(directory: pathlib.Path) -> list[Status]:
  """The statuses of the datasets in a folder.

  They are, for each config, the newest published version and all unfinished
  ones.

  Args:
    directory: The folder of a config, of a version, of an unfinished version
      (staging) or of all configs.

  Raises:
    BuildError: if the plan of a staging folder is damaged.
    OSError: if files cannot be read.
    ValueError: if there is no dataset, or its metadata are damaged.
  """
  folders = [directory]
  if is_of_all_configs(directory):
    folders = [path for path in listing.entries(directory) if _versions(path)]
  if found := [status for folder in folders for status in _find(folder)]:
    return found
  folder = directory.parent if _FOLDER.fullmatch(directory.name) else directory
  if folder.is_dir() and lock.is_held(folder):
    raise ValueError(
      f'A build in {folder} is about to begin. Run this command again in a '
      'moment.'
    )
  raise ValueError(
    f'{directory} holds no LINAC dataset, neither finished nor begun. Pass '
    "a config's folder, such as DATA_DIR/cifar10_linac/seed_42, or a "
    "version's in it."
  )


def is_of_all_configs(directory: pathlib.Path) -> bool:
  """Whether a folder is the one that holds all configs."""
  return directory.name == DATASET and not _versions(directory)


def _versions(folder: pathlib.Path) -> list[pathlib.Path]:
  """The folders of versions, and staging folders, in a config's folder."""
  if not folder.is_dir():
    return []
  return [p for p in listing.entries(folder) if _FOLDER.fullmatch(p.name)]


def _find(directory: pathlib.Path) -> list[Status]:
  """The statuses in the folder of a config, of a version or of a staging."""
  match = _FOLDER.fullmatch(directory.name)
  found = _versions(directory.parent if match else directory)
  begun = {path: listing.times(path).get(PLAN_FILE) for path in found}
  staged = [path for path, at in begun.items() if at is not None]
  published = sorted(
    filter(_is_published, found),
    key=lambda path: tfds.core.Version(path.name),
  )
  newest = max(staged, key=begun.get, default=None)
  if directory in staged:
    published, staged = [], [directory]
  elif match:
    # This may be a staging folder that is gone because its version has been
    # published; then that version is shown.
    published = [path for path in published if path.name == match[2]]
    staged = [path for path in staged if f'.{match[2]}.' in path.name]
  return [
    *map(_published_status, published[-1:]),
    *(_staged_status(path, begun[path], path == newest) for path in staged),
  ]


def _is_published(path: pathlib.Path) -> bool:
  """Whether a folder is that of a published version, sound or not."""
  return (path / INFO_FILE).exists() and (path / MANIFESTS).exists()


def _published_status(directory: pathlib.Path) -> Status:
  """The status of a published version, which may be damaged."""
  dataset = open_published(directory)
  plan, bad = dataset.plan, sum(dataset.metadata.bad_examples.values())
  found = dataset_state(plan, Depth.NAMES)
  notes = [f'They are listed in {BAD_EXAMPLES_FILE}.'] if bad else []
  if found.kind is not Kind.PUBLISHED:
    notes = found.problems or ['its metadata and manifests differ']
  sizes = shard_sizes(plan)
  damaged = {f'{plan.file_name(s)}.json' for s in found.damaged_shards}
  return Status(
    plan=plan,
    state='finished' if found.kind is Kind.PUBLISHED else 'damaged',
    since=None,
    shards=len(sizes.keys() - damaged),
    images=sum(sizes[name] for name in sizes.keys() - damaged),
    rate=build_rate(dataset),
    num_bad=bad,
    notes=notes[:_MAX_REASONS],
  )


def _staged_status(
  staging: pathlib.Path, since: float, is_newest: bool
) -> Status:
  """The status of an unfinished dataset.

  Args:
    staging: The staging folder.
    since: The time at which its last build wrote its plan, in seconds since the
      epoch.
    is_newest: Whether the config has no newer staging folder. A config has one
      lock for all versions, and only its newest build can hold it.
  """
  plan = load_plan(str(staging))
  sizes = shard_sizes(plan)
  finished = finished_shards(plan, sizes)
  manifests = read_manifests(plan).values()
  bad = [example for m in manifests if m for example in m.bad_examples]
  notes = [f'{example.id!r}: {example.reason}' for example in bad]
  failure, state = staging / FAILURE_FILE, 'stopped'
  if is_newest and lock.is_held(staging.parent):
    state, until = 'running', time.time()
  else:
    until = max(finished.values(), default=since)
    if failure.exists():
      state, notes = (
        'failed',
        failure.read_text(encoding='utf-8', errors='replace').splitlines(),
      )
  fitted = sum(sizes[name] for name, at in finished.items() if at >= since)
  return Status(
    plan=plan,
    state=state,
    since=since,
    shards=len(finished),
    images=sum(sizes[name] for name in finished),
    rate=fitted / (until - since) if fitted and until > since else None,
    num_bad=len(bad),
    notes=notes[-_MAX_REASONS:],
  )
