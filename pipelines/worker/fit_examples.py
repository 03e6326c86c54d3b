"""Fits examples in batches, while others are read and written.

An example that cannot be fitted becomes a `BadExample` and raises no exception,
so that it does not stop the others.
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

  Three batches are at work at the same time: while the device fits one, a
  thread fetches the results of the batch before it, and the caller writes the
  one before that.

  Args:
    plan: The plan of the dataset.
    examples: The examples, as `read_source` yields them.

  Yields:
    The examples in the same order. `representation` is an array `[height,
    width, channels]` of the storage dtype, `psnr` is in dB, and both measures
    are float32. A `BadExample` takes the place of an example if it was one
    before, or if the fit diverged, has values beyond the storage dtype or
    misses the plan's `min_psnr`.
  """
  config = plan.reveal()
  size = images_per_batch(plan)
  started = prefetch(
    _start(plan, config, batch, size) for batch in _batches(examples, size)
  )
  for batch, fit, seconds in prefetch(_results(started)):
    if fit:
      metrics.record_later(metrics.FIT_MILLISECONDS, 1000 * seconds)
    rows = itertools.count()
    for example in batch:
      if isinstance(example, BadExample):
        yield example
      else:
        yield _fitted(plan, example, fit, next(rows))


def _start(
  plan: DatasetPlan, config: LinacConfig, batch: Batch, size: int
) -> tuple[Batch, StartedFit | None, float]:
  """Starts the fit of a batch, if it has any good example.

  Returns:
    The batch, its fit, and the time at which the fit was started, in seconds.
  """
  images = [e['image'] for e in batch if not isinstance(e, BadExample)]
  if not images:
    return batch, None, time.monotonic()
  fit = start_fit(np.stack(images), config, size, plan.settings.storage_dtype)
  # By now the program is compiled, which does not count as time of the fit.
  return batch, fit, time.monotonic()


def _results(
  started: Iterator[tuple[Batch, StartedFit | None, float]],
) -> Iterator[tuple[Batch, LinacFit | None, float]]:
  """Waits for the fits.

  Yields:
    The batch, its finished fit, and the time that the device spent on it, in
    seconds.
  """
  end = 0.0
  for batch, fit, start in started:
    result = fit and fit.result()
    # The device starts a batch only when it has finished the one before.
    start, end = max(start, end), time.monotonic()
    yield batch, result, end - start


def _fitted(
  plan: DatasetPlan, example: dict, fit: LinacFit, row: int
) -> dict | BadExample:
  """Adds a row of a batch's fit to an example, if the fit is not bad."""
  representation = fit.representation[row]
  # A value beyond float32 becomes infinity, which counts as a bad fit below.
  with np.errstate(over='ignore'):
    measures = {name: np.float32(getattr(fit, name)[row]) for name in MEASURES}
  psnr, least = measures['psnr'], plan.settings.min_psnr
  if not all(_is_finite(x) for x in (representation, *measures.values())):
    reason = (
      f'its fit diverged: its final loss is {measures["final_loss"]} and its '
      'largest activation '
      f'{np.abs(representation).max()} as {representation.dtype}. A smaller '
      '--learning_rate may help.'
    )
    return BadExample(example['index'], example['id'], reason)
  if least is not None and psnr < least:
    reason = f'its fit has {psnr:.2f} dB, less than min_psnr={least}.'
    return BadExample(example['index'], example['id'], reason)
  return example | {'representation': representation, **measures}


def _is_finite(array: np.ndarray) -> bool:
  """Whether an array of float16 or float32 has neither infinity nor NaN.

  It compares the bits as integers, because NumPy's own check takes twenty times
  as long for float16. Of the positive numbers, infinity has the smallest bits
  that are not those of a finite number; likewise of the negative ones, which
  are the largest if their bits are taken without a sign.
  """
  array = np.asarray(array)
  signed, unsigned = f'i{array.itemsize}', f'u{array.itemsize}'
  infinity = np.array([np.inf, -np.inf], array.dtype)
  return bool(
    array.view(signed).max() < infinity.view(signed)[0]
    and array.view(unsigned).max() < infinity.view(unsigned)[1]
  )


def _batches(
  examples: Iterator[dict | BadExample], size: int
) -> Iterator[Batch]:
  """Groups examples into batches; the last one may be smaller.

  Raises:
    ValueError: if the source is damaged, after a batch of all examples before
      the damage.
  """
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
