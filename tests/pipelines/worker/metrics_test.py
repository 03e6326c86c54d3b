"""The metrics that a runner has after a pipeline, by name."""

import time

import numpy as np
import tensorflow_datasets as tfds
from apache_beam.metrics.metric import MetricsFilter
from apache_beam.runners.runner import PipelineResult

from pipelines.plan.saved_plan import save_plan
from pipelines.plan.settings import Settings
from pipelines.worker import metrics
from pipelines.worker.fit_examples import _results
from pipelines.worker.task import finish_shards
from transforms import LinacConfig, start_fit

SETTINGS = Settings(examples_per_shard=10, max_examples_per_split=40)


def query(result: PipelineResult, name: str):
  """The committed value of a metric."""
  by_name = MetricsFilter().with_namespace('linac').with_name(name)
  found = result.metrics().query(by_name)
  (metric,) = found['counters'] + found['distributions']
  return metric.committed


def test_work_is_counted(lab):
  plan = lab.plan(SETTINGS)
  save_plan(plan)
  found = list(finish_shards(plan.shards()[:2]))
  result = lab.run(plan)
  assert query(result, 'shards_reused') == len(found) == 2
  assert query(result, 'shards_written') == 4
  assert query(result, 'images_fitted') == 40
  assert query(result, 'bad_examples') == 0
  written = [
    plan.directory / shard.file_name('tfrecord') for shard in plan.shards()[2:]
  ]
  assert query(result, 'bytes_written') == sum(
    p.stat().st_size for p in written
  )


def test_fits_are_measured(lab):
  plan = lab.plan(SETTINGS)
  result = lab.run(plan)
  assert query(result, 'fit_milliseconds').count == 60
  psnr = query(result, 'psnr_millidecibels')
  assert psnr.count == 60
  info = tfds.builder_from_directory(plan.directory).info
  splits = info.metadata['psnr'].values()
  extremes = min(s['min'] for s in splits), max(s['max'] for s in splits)
  assert (psnr.min, psnr.max) == tuple(round(1000 * x) for x in extremes)


def test_bad_examples_are_counted(lab):
  plan = lab.plan(SETTINGS, learning_rate=1e300)
  result = lab.run(plan)
  assert query(result, 'bad_examples') == 60
  assert query(result, 'images_fitted') == 0


def test_failed_shards_are_counted(lab):
  plan = lab.plan(SETTINGS)
  (path,) = lab.data_dir.glob('sample/*/sample-train*')
  path.write_bytes(b'')
  result = lab.run(plan)
  assert query(result, 'shards_failed') == 4
  assert query(result, 'shards_written') == 2


def test_totals_are_of_all_datasets(lab):
  totals = metrics.totals(lab.run(lab.plan(seed=1), lab.plan(seed=2)))
  assert totals['images_fitted'] == 240
  assert totals['psnr_millidecibels'] > 0


def test_the_time_that_a_batch_waits_for_the_device_does_not_count():
  images = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8)
  config = LinacConfig(num_epochs=1)
  start_fit(images[:1], config, 1).result()  # Compiles.
  start = time.monotonic()
  started = [([], start_fit(image[None], config, 1), start) for image in images]
  seconds = [seconds for _, _, seconds in _results(iter(started))]
  assert min(seconds) > 0
  assert sum(seconds) <= time.monotonic() - start
