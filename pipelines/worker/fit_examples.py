"""Fits examples in batches: the heart of a worker.

Reading, fitting and writing overlap. An example that cannot be fitted is passed
on as a `BadExample`, never raised, so that it harms no other.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator

import numpy as np

from linac_config import LinacConfig
from linac_tfds.schema import MEASURES
from pipelines.dataset.manifest import BadExample
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.worker import metrics
from pipelines.worker.device import images_per_batch
from pipelines.worker.prefetch import prefetch
from transforms import LinacFit, StartedFit, start_fit

Batch = list[dict | BadExample]


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
  config = plan.reveal()
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
  fit = start_fit(np.stack(images), config, size, plan.settings.storage_dtype)
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
    measures = {name: np.float32(getattr(fit, name)[row]) for name in MEASURES}
  psnr, least = measures['psnr'], plan.settings.min_psnr
  if not all(
    np.isfinite(x).all() for x in (representation, *measures.values())
  ):
    reason = (
      f'its fit diverged: its final loss is {measures["final_loss"]} and its '
      'largest activation '
      f'{np.abs(representation).max()} as {representation.dtype}. A smaller '
      '--learning_rate may help.'
    )
    return BadExample(example['index'], example['id'], reason)
  if least is not None and psnr < least:
    reason = f'its fit has {psnr:.2f} dB, min_psnr={least}.'
    return BadExample(example['index'], example['id'], reason)
  return example | {'representation': representation, **measures}


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
