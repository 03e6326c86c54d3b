"""A worker's task: read slices of the source, fit them, write whole shards."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator

from linac_config import processes
from pipelines.dataset.manifest import BadExample, Manifest
from pipelines.dataset.state import sound_manifest
from pipelines.errors import BuildError
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.plan.saved_plan import load_plan
from pipelines.plan.shards import ShardSpec
from pipelines.worker import metrics
from pipelines.worker.fit_examples import fit_examples
from pipelines.worker.prefetch import prefetch
from pipelines.worker.read_source import read_source
from pipelines.worker.resume import why_not_resume
from pipelines.worker.serialise import serialise_examples
from pipelines.worker.write_shard import UnfinishedShard, write_records

# The most shards that are written while another one is brought to the disk. An
# ArrayRecord file waits in memory until a core has written it.
_MOST_AHEAD = 8


@dataclasses.dataclass(frozen=True)
class ShardRecord:
  """A worker's report on a shard.

  Attributes:
    shard: The shard.
    sha256: The SHA-256 of its file, in hexadecimal, or `''` if it could not be
      made.
    reused: Whether it was finished before.
    bad_examples: The examples that were left out of it.
    error: The reason why it could not be made, or `''`. It lies in the data and
      not in the worker, so that another attempt would not help.
  """

  shard: ShardSpec
  sha256: str = ''
  reused: bool = False
  bad_examples: tuple[BadExample, ...] = ()
  error: str = ''


def finish_shards(shards: tuple[ShardSpec, ...]) -> Iterator[ShardRecord]:
  """Writes the shards of a task, except those that are finished and sound.

  Args:
    shards: The shards.

  Yields:
    A record of each shard, as soon as it is written.
  """
  try:
    plan = load_plan(shards[0].dataset)
    reason = why_not_resume(plan)
  except BuildError as error:
    # An exception would end the builds of other datasets, too.
    reason = str(error)
  if reason:
    metrics.increase(metrics.SHARDS_FAILED, len(shards))
    yield from (ShardRecord(shard, error=reason) for shard in shards)
    return
  sound = {shard: sound_manifest(plan, shard) for shard in shards}
  fitted = _fit_and_write(plan, [s for s in shards if not sound[s]])
  for shard in shards:
    if sound[shard]:
      metrics.increase(metrics.SHARDS_REUSED)
      yield _record(shard, sound[shard], reused=True)
    else:
      yield next(fitted)


def _record(
  shard: ShardSpec, manifest: Manifest, reused: bool = False
) -> ShardRecord:
  """Makes the record of a finished shard."""
  return ShardRecord(
    shard, manifest.sha256, reused, tuple(manifest.bad_examples)
  )


def _fit_and_write(
  plan: DatasetPlan, shards: list[ShardSpec]
) -> Iterator[ShardRecord]:
  """Fits and writes shards.

  While a shard is brought to the disk here, others write the next ones.
  """
  ahead = min(processes.num_cores(), _MOST_AHEAD)
  for shard, unfinished in prefetch(_written(plan, shards), ahead):
    try:
      if isinstance(unfinished, ValueError):
        raise unfinished
      manifest = unfinished.finish()
    except ValueError as error:
      # After an exception, the runner would try again and then end the builds
      # of other datasets, too.
      metrics.increase(metrics.SHARDS_FAILED)
      yield ShardRecord(shard, error=str(error))
    else:
      metrics.count_written(manifest)
      yield _record(shard, manifest)


def _written(
  plan: DatasetPlan, shards: list[ShardSpec]
) -> Iterator[tuple[ShardSpec, UnfinishedShard | ValueError]]:
  """Fits and writes the files of shards; a batch may cross their borders.

  Yields:
    Each shard, and the error in place of its file if it cannot be made.
  """
  records = None
  for position, shard in enumerate(shards):
    if records is None:
      examples = fit_examples(plan, _read(plan, shards[position:]))
      records = serialise_examples(plan, examples)
    part = itertools.islice(records, shard.size)
    try:
      unfinished = write_records(plan, shard, part)
    except ValueError as error:
      unfinished = error
      records = None  # The next shard opens the source again.
    yield shard, unfinished


def _read(
  plan: DatasetPlan, shards: list[ShardSpec]
) -> Iterator[dict | BadExample]:
  """Reads the examples of shards, which are in order but with gaps."""
  # Consecutive shards share the difference between index and position.
  for _, run in itertools.groupby(
    enumerate(shards), lambda item: (item[1].split, item[1].index - item[0])
  ):
    run = [shard for _, shard in run]
    yield from read_source(plan, run[0].split, run[0].start, run[-1].stop)
