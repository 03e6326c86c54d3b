"""A dataset whose shards were made by different devices."""

import dataclasses

from pipelines.command_line import after_build
from pipelines.dataset.manifest import (
  manifest_path,
  read_manifest,
  write_manifest,
)
from pipelines.plan.saved_plan import FAILURE_FILE, save_plan
from pipelines.plan.settings import Settings
from pipelines.runners.pipeline import finalise
from pipelines.worker.task import finish_shards
from pipelines.worker.write_shard import device_kind
from tests.pipelines.conftest import with_settings


def started_elsewhere(lab, precision, strict=False):
  """Makes a plan whose first shard claims to come from another device."""
  plan = lab.plan(Settings(examples_per_shard=30), precision=precision)
  save_plan(plan)
  first = plan.shards()[0]
  list(finish_shards((first,)))
  manifest = read_manifest(plan, first)
  assert manifest.device == device_kind()
  assert manifest.device.startswith('cpu:')
  manifest_path(plan, first).unlink()
  write_manifest(plan, first, dataclasses.replace(manifest, device='gpu:X'))
  return with_settings(plan, strict_devices=strict)


def test_a_mixture_is_reported(lab, capsys):
  plan = started_elsewhere(lab, 'float32')
  lab.run(plan)
  after_build.print_summary(plan)
  output = capsys.readouterr().out
  assert f'shards come from {device_kind()} and gpu:X under jaxlib' in output
  after_build.print_summaries([plan], {})
  assert 'a mixture of devices' in capsys.readouterr().out


def test_a_mixture_is_refused_before_anything_is_fitted(lab):
  plan = started_elsewhere(lab, 'float32', strict=True)
  lab.run(plan)
  reason = (plan.staging / FAILURE_FILE).read_text()
  assert 'has shards of gpu:X under jaxlib' in reason
  assert f'here is {device_kind()}' in reason
  assert len(list(plan.staging.glob('*tfrecord*'))) == 1
  assert not plan.directory.exists()


def test_a_mixture_that_workers_make_at_once_is_not_published(lab):
  plan = started_elsewhere(lab, 'float32')
  records = [r for s in plan.shards() for r in finish_shards((s,))]
  strict = with_settings(plan, strict_devices=True)
  save_plan(strict)
  finalise(str(plan.staging), records)
  reason = (plan.staging / FAILURE_FILE).read_text()
  assert f'come from {device_kind()} under jaxlib' in reason
  assert 'Delete those of all but one' in reason


def test_float64_may_be_mixed(lab, capsys):
  plan = lab.plan(Settings(strict_devices=True))
  assert not plan.strict_devices
  plan = started_elsewhere(lab, 'float64')
  lab.run(plan)
  after_build.print_summary(plan)
  assert 'come from' not in capsys.readouterr().out
