"""The metrics of workers, for a runner's UI and the summary of a local build.

Runners may repeat work that failed, so Beam keeps two values of each metric.
`attempted` counts all work: a shard that a worker finished before it died
counts as written, and later also as reused. `committed` counts only attempts
that succeeded: each shard of a dataset counts once, as written, reused or
failed, but the work of a worker that died is missing.

Beam attributes metrics by thread; call these functions from the step's own
thread. Other threads of a worker call only `record_later`.
"""

from __future__ import annotations

import contextlib
import queue
import sys
from collections import Counter

from pipelines.dataset.manifest import Manifest

NAMESPACE = 'linac'
# Counters.
IMAGES_FITTED = 'images_fitted'
BAD_EXAMPLES = 'bad_examples'
SHARDS_WRITTEN = 'shards_written'
SHARDS_REUSED = 'shards_reused'
SHARDS_FAILED = 'shards_failed'
BYTES_WRITTEN = 'bytes_written'
# Distributions: the time of the device for each batch, without compiling, and
# the PSNR of each image. It is in thousandths of a dB, since Beam's
# distributions hold integers.
FIT_MILLISECONDS = 'fit_milliseconds'
PSNR_MILLIDECIBELS = 'psnr_millidecibels'


def increase(name: str, value: int = 1) -> None:
  """Adds to a counter of the step that runs in this thread, if there is one.

  Args:
    name: The name of the counter.
    value: The number to add.
  """
  if beam_metrics := _beam_metrics():
    beam_metrics.Metrics.counter(NAMESPACE, name).inc(value)


def record(name: str, value: float) -> None:
  """Adds to a distribution of the step that runs in this thread, if any.

  Args:
    name: The name of the distribution.
    value: The value, which is rounded to an integer.
  """
  if beam_metrics := _beam_metrics():
    distribution = beam_metrics.Metrics.distribution(NAMESPACE, name)
    distribution.update(round(value))


# The names and values that wait for the step's own thread.
_LATER: queue.SimpleQueue[tuple[str, float]] = queue.SimpleQueue()


def record_later(name: str, value: float) -> None:
  """Like `record`, from another thread: `count_written` records the value."""
  if _beam_metrics():
    _LATER.put((name, value))


def _beam_metrics():
  """Beam's module of metrics, or None if Beam is not imported.

  Without it no step runs in this process. `verify` fits without Beam, and an
  import here would cost it seconds.
  """
  return sys.modules.get('apache_beam.metrics.metric')


def count_written(manifest: Manifest) -> None:
  """Counts a shard that was fitted and written, and what waits for that."""
  increase(SHARDS_WRITTEN)
  increase(IMAGES_FITTED, manifest.num_examples)
  increase(BAD_EXAMPLES, len(manifest.bad_examples))
  increase(BYTES_WRITTEN, manifest.file_bytes)
  for psnr in manifest.measures['psnr']:
    record(PSNR_MILLIDECIBELS, 1000 * psnr)
  with contextlib.suppress(queue.Empty):
    while True:
      record(*_LATER.get_nowait())


def totals(result) -> Counter[str]:
  """The totals of the committed metrics of a pipeline, by name.

  Args:
    result: The `PipelineResult` of Beam.

  Returns:
    The sum of each counter and of each distribution over all steps.
  """
  metrics = result.metrics().query()
  values = [(m, m.committed) for m in metrics['counters']]
  values += [(m, m.committed.sum) for m in metrics['distributions']]
  found = Counter()
  for metric, value in values:
    if metric.key.metric.namespace == NAMESPACE:
      found[metric.key.metric.name] += value
  return found
