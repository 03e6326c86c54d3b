"""Several attempts at the same work, since runners repeat and abandon tasks."""

import pytest

from pipelines.dataset import publish
from pipelines.files import storage
from pipelines.plan.saved_plan import FAILURE_FILE, save_plan
from pipelines.runners import pipeline
from pipelines.worker import write_shard
from pipelines.worker.task import finish_shards
from tests.pipelines.conftest import is_published


@pytest.fixture
def finished(lab):
  """A plan, and the records of its shards, which are all finished."""
  plan = lab.plan()
  save_plan(plan)
  shards = plan.shards()
  splits = [[s for s in shards if s.split == name] for name, _ in plan.splits]
  return plan, [r for split in splits for r in finish_shards(tuple(split))]


def interrupt(monkeypatch, module, name: str, act) -> None:
  """Calls `act` once, just before a function of a module is called."""
  original = getattr(module, name)
  pending = [act]

  def call(*args, **kwargs):
    if pending:
      pending.pop()()
    return original(*args, **kwargs)

  monkeypatch.setattr(module, name, call)


@pytest.mark.parametrize('step', ['_clear', '_link', '_publish_info'])
def test_two_attempts_at_publishing_leave_the_dataset(
  finished, monkeypatch, step
):
  plan, records = finished
  staging = str(plan.staging)
  # The other attempt publishes while this one is at the step.
  interrupt(
    monkeypatch, publish, step, lambda: pipeline.finalise(staging, records)
  )
  pipeline.finalise(staging, records)
  assert is_published(plan)
  assert not plan.staging.exists()


def test_a_shard_written_after_its_manifest_is_not_published(finished):
  plan, records = finished
  path = plan.staging / plan.shards()[0].file_name('tfrecord')
  data = bytearray(path.read_bytes())
  data[-20] ^= 1
  path.write_bytes(data)
  pipeline.finalise(str(plan.staging), records)
  assert 'not finished' in (plan.staging / FAILURE_FILE).read_text()
  assert not plan.directory.exists()


def test_a_shard_is_not_staged_for_a_published_dataset(finished):
  plan, records = finished
  shard = plan.shards()[0]
  pipeline.finalise(str(plan.staging), records)
  (record,) = finish_shards((shard,))
  assert 'no valid plan' in record.error
  assert not plan.staging.exists()


def test_a_dataset_published_during_a_fit_is_left_alone(finished, monkeypatch):
  plan, _ = finished
  shard = plan.shards()[0]
  storage.remove(plan.staging / shard.file_name('tfrecord'))
  interrupt(
    monkeypatch,
    write_shard,
    'library_versions',
    lambda: storage.remove(plan.staging),
  )
  (record,) = finish_shards((shard,))
  assert record.error
  assert not plan.staging.exists()
