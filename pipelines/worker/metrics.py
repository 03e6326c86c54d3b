"""What workers count, for a runner's UI and for the summary of a local build.

Runners may try work again, and keep two values of each metric. `attempted` has
all that was done: a shard that was finished before its worker died counts, and
once more, as reused, when it is found. `committed` has only the attempts that
succeeded: in it each shard of a dataset is written, reused or failed just once,
but what a worker fitted before it died is missing.

A thread that a step starts counts for nobody, as Beam tells the step by the
thread: call these functions where the step itself runs.
"""

from __future__ import annotations

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
# Distributions: how long the device had each batch, without compiling, and the
# PSNR of each image in thousandths of a dB, since Beam's are integers.
FIT_MILLISECONDS = 'fit_milliseconds'
PSNR_MILLIDECIBELS = 'psnr_millidecibels'


def increase(name: str, value: int = 1) -> None:
  """Adds to a counter of the step that runs in this thread, if there is one."""
  if beam_metrics := _beam_metrics():
    beam_metrics.Metrics.counter(NAMESPACE, name).inc(value)


def record(name: str, value: float) -> None:
  """Adds a value, rounded, to a distribution of the step that runs here."""
  if beam_metrics := _beam_metrics():
    distribution = beam_metrics.Metrics.distribution(NAMESPACE, name)
    distribution.update(round(value))


def _beam_metrics():
  """Beam's module, unless nobody imported it: then no step runs here.

  To import it takes seconds, which `verify` has no use for.
  """
  return sys.modules.get('apache_beam.metrics.metric')


def count_written(manifest: Manifest) -> None:
  """Counts a shard that was fitted and written."""
  increase(SHARDS_WRITTEN)
  increase(IMAGES_FITTED, manifest.num_examples)
  increase(BAD_EXAMPLES, len(manifest.bad_examples))
  increase(BYTES_WRITTEN, manifest.file_bytes)
  for psnr in manifest.measures['psnr']:
    record(PSNR_MILLIDECIBELS, 1000 * psnr)


def totals(result) -> Counter[str]:
  """The committed counters of a Beam `PipelineResult`, over all steps, by name.

  Of a distribution, it has the sum.
  """
  metrics = result.metrics().query()
  values = [(m, m.committed) for m in metrics['counters']]
  values += [(m, m.committed.sum) for m in metrics['distributions']]
  found = Counter()
  for metric, value in values:
    if metric.key.metric.namespace == NAMESPACE:
      found[metric.key.metric.name] += value
  return found
