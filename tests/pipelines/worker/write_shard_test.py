"""A shard's file appears when it is complete, and its manifest after it."""

import itertools

import pytest

from pipelines.dataset.manifest import read_manifest
from pipelines.files.storage import file_sha256
from pipelines.plan.saved_plan import save_plan
from pipelines.plan.settings import Settings
from pipelines.worker.serialise import serialise_examples
from pipelines.worker.write_shard import write_records
from tests.pipelines.worker.serialise_test import examples


@pytest.fixture(params=['tfrecord', 'array_record'])
def plan(request, lab):
  settings = Settings(
    file_format=request.param, examples_per_shard=3, max_examples_per_split=6
  )
  plan = lab.plan(settings)
  save_plan(plan)
  return plan


def start(plan, shard):
  """Writes the file of a shard of three examples."""
  records = serialise_examples(plan, iter(examples(plan)))
  return write_records(plan, shard, itertools.islice(records, 3))


def test_a_file_is_named_only_when_its_shard_is_finished(plan):
  first, second, *_ = plan.shards()
  unfinished = start(plan, first)
  start(plan, second).finish()
  path = plan.staging / plan.file_name(first)
  assert not path.exists()
  assert not read_manifest(plan, first)
  manifest = unfinished.finish()
  assert read_manifest(plan, first) == manifest.signed()
  assert manifest.sha256 == file_sha256(path)
  assert manifest.file_bytes == path.stat().st_size


def test_nothing_is_left_of_a_shard_that_is_given_up(plan):
  before = sorted(plan.staging.iterdir())
  unfinished = start(plan, plan.shards()[0])
  unfinished.sha256()
  assert len(list(plan.staging.iterdir())) == len(before) + 1
  del unfinished
  assert sorted(plan.staging.iterdir()) == before
