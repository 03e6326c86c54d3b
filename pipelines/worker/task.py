"""A worker's task: read a slice of the source, fit it, write whole shards."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator

from pipelines.dataset.manifest import BadExample, Manifest
from pipelines.dataset.state import sound_manifest
from pipelines.errors import BuildError
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.plan.saved_plan import load_plan
from pipelines.plan.shards import ShardSpec
from pipelines.worker import metrics
from pipelines.worker.fit_examples import fit_examples
from pipelines.worker.read_source import read_source
from pipelines.worker.resume import why_not_resume
from pipelines.worker.write_shard import write_shard


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
    shards: The shards, which are consecutive in one split.

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
  for is_sound, run in itertools.groupby(shards, lambda s: bool(sound[s])):
    if is_sound:
      for shard in run:
        metrics.increase(metrics.SHARDS_REUSED)
        yield _record(shard, sound[shard], reused=True)
    else:
      yield from _fit_and_write(plan, list(run))


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
  """Fits and writes consecutive shards; a batch may cross their borders."""
  examples = None
  for shard in shards:
    if examples is None:
      source = read_source(plan, shard.split, shard.start, shards[-1].stop)
      examples = fit_examples(plan, source)
    part = itertools.islice(examples, shard.size)
    try:
      manifest = write_shard(plan, shard, part)
    except ValueError as error:
      # After an exception, the runner would try again and then end the builds
      # of other datasets, too.
      metrics.increase(metrics.SHARDS_FAILED)
      yield ShardRecord(shard, error=str(error))
      examples = None  # The next shard opens the source again.
    else:
      metrics.count_written(manifest)
      yield _record(shard, manifest)
