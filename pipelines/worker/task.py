"""A worker's task: read a slice of the source, fit it, write whole shards."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Iterator

import numpy as np

from pipelines.dataset.manifest import BadExample, Manifest, sound_manifest
from pipelines.errors import BuildError
from pipelines.plan.dataset_plan import DatasetPlan, ShardSpec, load_plan
from pipelines.worker import metrics
from pipelines.worker.device import images_per_batch
from pipelines.worker.prefetch import prefetch
from pipelines.worker.resume import why_not_resume
from pipelines.worker.source import read_source
from pipelines.worker.write_shard import write_shard
from transforms import LinacConfig, LinacFit, StartedFit, start_fit

Batch = list[dict | BadExample]


@dataclasses.dataclass(frozen=True)
class ShardRecord:
  """What a worker tells of a shard.

  Attributes:
    shard: the shard.
    sha256: of its file, or empty if it could not be made.
    reused: whether it was found finished.
    bad_examples: that were left out of it.
    made_by: the device and library that fitted it.
    error: why it could not be made: its data, not its worker, are at fault.
  """

  shard: ShardSpec
  sha256: str = ''
  reused: bool = False
  bad_examples: tuple[BadExample, ...] = ()
  made_by: str = ''
  error: str = ''


def finish_shards(shards: tuple[ShardSpec, ...]) -> Iterator[ShardRecord]:
  """Makes sure that shards are written: those that are sound are left alone.

  Args:
    shards: consecutive shards of one split.

  Yields:
    A record per shard, as soon as it is committed.
  """
  try:
    plan = load_plan(shards[0].dataset)
    reason = why_not_resume(plan)
  except BuildError as error:
    # Raised, it would end the builds of other datasets.
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
  return ShardRecord(
    shard,
    manifest.sha256,
    reused,
    tuple(manifest.bad_examples),
    manifest.made_by,
  )


def _fit_and_write(
  plan: DatasetPlan, shards: list[ShardSpec]
) -> Iterator[ShardRecord]:
  """Fits consecutive shards in batches that may span them."""
  examples = None
  for shard in shards:
    if examples is None:
      source = read_source(plan, shard.split, shard.start, shards[-1].stop)
      examples = fit_examples(plan, source)
    part = itertools.islice(examples, shard.size)
    try:
      manifest = write_shard(plan, shard, part)
    except ValueError as error:
      # Raised, it would be tried again, and hold up other datasets.
      metrics.increase(metrics.SHARDS_FAILED)
      yield ShardRecord(shard, error=str(error))
      examples = None  # The next shard starts afresh.
    else:
      metrics.count_written(manifest)
      yield _record(shard, manifest)


def fit_examples(
  plan: DatasetPlan, examples: Iterator[dict | BadExample]
) -> Iterator[dict | BadExample]:
  """Adds `representation`, `psnr` and `final_loss` to examples, in batches.

  Reading, fitting and what the caller does with an example overlap: while the
  device fits a batch, a thread fetches the one before, and the caller writes
  the one before that.

  Yields:
    An example for each, bad ones in their places: those that were bad, and
    those whose fit diverged, does not fit into the storage dtype or missed the
    plan's `min_psnr`.
  """
  config = plan.config
  if plan.private_key:
    config = plan.private_key.reveal(config)
  size = images_per_batch(plan)
  started = prefetch(
    _start(plan, config, batch, size) for batch in _batches(examples, size)
  )
  for batch, fit, seconds in prefetch(_results(started)):
    if fit:
      metrics.record(metrics.FIT_MILLISECONDS, 1000 * seconds)
    rows = itertools.count()
    for example in batch:
      if isinstance(example, BadExample):
        yield example
      else:
        yield _fitted(plan, example, fit, next(rows))


def _start(
  plan: DatasetPlan, config: LinacConfig, batch: Batch, size: int
) -> tuple[Batch, StartedFit | None, float]:
  """Hands a batch to the device; tells when it did so, too."""
  images = [e['image'] for e in batch if not isinstance(e, BadExample)]
  if not images:
    return batch, None, time.monotonic()
  fit = start_fit(np.stack(images), config, size, plan.storage_dtype)
  return batch, fit, time.monotonic()  # The program is compiled by now.


def _results(
  started: Iterator[tuple[Batch, StartedFit | None, float]],
) -> Iterator[tuple[Batch, LinacFit | None, float]]:
  """Waits for the device; tells how many seconds it had each batch, too."""
  end = 0.0
  for batch, fit, start in started:
    result = fit and fit.result()
    # Until the one before was done, this one only stood in line.
    start, end = max(start, end), time.monotonic()
    yield batch, result, end - start


def _fitted(
  plan: DatasetPlan, example: dict, fit: LinacFit, row: int
) -> dict | BadExample:
  representation = fit.representation[row]
  with np.errstate(over='ignore'):  # Infinity is bad, as it should be.
    psnr, loss = np.float32(fit.psnr[row]), np.float32(fit.losses[row, -1])
  if not all(np.isfinite(x).all() for x in (representation, psnr, loss)):
    reason = (
      f'its fit diverged: its final loss is {loss} and its largest activation '
      f'{np.abs(representation).max()} as {representation.dtype}. A smaller '
      '--learning_rate may help.'
    )
    return BadExample(example['index'], example['id'], reason)
  if plan.min_psnr is not None and psnr < plan.min_psnr:
    reason = f'its fit has {psnr:.2f} dB, min_psnr={plan.min_psnr}.'
    return BadExample(example['index'], example['id'], reason)
  return example | {
    'representation': representation,
    'psnr': psnr,
    'final_loss': loss,
  }


def _batches(
  examples: Iterator[dict | BadExample], size: int
) -> Iterator[Batch]:
  """Batches of examples; what stops the source stops it after the last one."""
  batch = []
  try:
    for example in examples:
      batch.append(example)
      if len(batch) == size:
        yield batch
        batch = []
  except ValueError:
    if batch:
      yield batch
    raise
  if batch:
    yield batch
