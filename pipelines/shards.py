"""A worker's task: read a slice of the source, fit it, write whole shards."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterator

import numpy as np

from pipelines.manifest import sound_manifest
from pipelines.plan import DatasetPlan, ShardSpec, load_plan
from pipelines.prefetch import prefetch
from pipelines.sources import read_source
from pipelines.writer import write_shard
from transforms import StartedFit, start_fit


@dataclasses.dataclass(frozen=True)
class ShardRecord:
  """What a worker tells of a shard.

  Attributes:
    shard: the shard.
    sha256: of its file, or empty if it could not be made.
    reused: whether it was found finished.
    error: why it could not be made: its data, not its worker, are at fault.
  """

  shard: ShardSpec
  sha256: str = ''
  reused: bool = False
  error: str = ''


def finish_shards(shards: tuple[ShardSpec, ...]) -> Iterator[ShardRecord]:
  """Makes sure that shards are written: those that are sound are left alone.

  Args:
    shards: consecutive shards of one split.

  Yields:
    A record per shard, as soon as it is committed.
  """
  plan = load_plan(shards[0].dataset)
  sound = {shard: sound_manifest(plan, shard) for shard in shards}
  for is_sound, run in itertools.groupby(shards, lambda s: bool(sound[s])):
    if is_sound:
      for shard in run:
        yield ShardRecord(shard, sound[shard].sha256, reused=True)
    else:
      yield from _fit_and_write(plan, list(run))


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
      yield ShardRecord(shard, error=str(error))
      examples = None  # The next shard starts afresh.
    else:
      yield ShardRecord(shard, manifest.sha256)


def fit_examples(plan: DatasetPlan, examples: Iterator[dict]) -> Iterator[dict]:
  """Adds `representation`, `psnr` and `final_loss` to examples, in batches.

  Reading, fitting and what the caller does with an example overlap: while the
  device fits a batch, a thread fetches the one before, and the caller writes
  the one before that.

  Raises:
    ValueError: naming the example, if its fit diverged or does not fit into
      the storage dtype.
  """
  size = plan.images_per_batch

  def start(batch: list[dict]) -> tuple[list[dict], StartedFit]:
    images = np.stack([example['image'] for example in batch])
    return batch, start_fit(images, plan.config, size, plan.storage_dtype)

  started = prefetch(map(start, _batches(examples, size)))
  fitted = prefetch((batch, fit.result()) for batch, fit in started)
  for batch, fit in fitted:
    for i, example in enumerate(batch):
      with np.errstate(over='ignore'):  # Infinity is refused next.
        final_loss = fit.losses[i, -1].astype(np.float32)
      example |= {
        'representation': fit.representation[i],
        'psnr': fit.psnr[i].astype(np.float32),
        'final_loss': final_loss,
      }
      _check_fit(example)
      yield example


def _check_fit(example: dict) -> None:
  representation, loss = example['representation'], example['final_loss']
  values = (representation, example['psnr'], loss)
  if not all(np.isfinite(value).all() for value in values):
    raise ValueError(
      f'The fit of example {example["id"]!r} diverged: its final loss is '
      f'{loss} and its largest activation {np.abs(representation).max()} as '
      f'{representation.dtype}. A smaller --learning_rate may help.'
    )


def _batches(examples: Iterator[dict], size: int) -> Iterator[list[dict]]:
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
