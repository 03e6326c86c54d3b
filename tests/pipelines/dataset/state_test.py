"""One function says whether a dataset is absent, staged, published, damaged."""

import os

import pytest

from pipelines.dataset.state import (
  UNKNOWN,
  Depth,
  Kind,
  dataset_state,
  finished_shards,
  state_for_build,
)
from pipelines.plan.saved_plan import save_plan
from pipelines.plan.settings import Settings
from pipelines.worker.task import finish_shards

FEW = Settings(max_examples_per_split=8, examples_per_shard=4)


@pytest.fixture
def published(lab):
  plan = lab.plan(FEW)
  lab.run(plan)
  return plan


def shard_of(plan):
  return plan.directory / plan.file_name(plan.shards()[1])


def flip(path):
  data = bytearray(path.read_bytes())
  data[len(data) // 2] ^= 1
  path.write_bytes(data)


def test_from_absent_to_published(lab):
  plan = lab.plan(FEW)
  assert dataset_state(plan).kind is Kind.ABSENT
  save_plan(plan)
  list(finish_shards(plan.shards()[:1]))
  assert dataset_state(plan).kind is Kind.STAGED
  assert len(finished_shards(plan)) == 1
  lab.run(plan)
  for depth in Depth:
    state = dataset_state(plan, depth)
    assert (state.kind, state.problems) == (Kind.PUBLISHED, [])
  assert len(finished_shards(plan)) == len(plan.shards())


@pytest.mark.parametrize(
  ('harm', 'depth', 'problem'),
  [
    (os.remove, Depth.NAMES, 'is missing'),
    (lambda path: os.truncate(path, 9), Depth.CONTENTS, ' has 9 bytes, not '),
    (flip, Depth.HASHES, 'has another hash'),
  ],
)
def test_a_damaged_shard_is_noticed_from_some_depth_on(
  published, harm, depth, problem
):
  harm(shard_of(published))
  for looked in Depth:
    state = dataset_state(published, looked)
    damaged = looked >= depth
    assert (state.kind is Kind.DAMAGED) == damaged
    assert list(state.damaged_shards) == published.shards()[1:2] * damaged
    assert problem in ''.join(state.problems) or not damaged


def test_a_manifest_that_is_gone_is_noticed_by_names(published):
  name = f'{shard_of(published).name}.json'
  (published.directory / 'manifests' / name).unlink()
  (problem,) = dataset_state(published, Depth.NAMES).problems
  assert problem == f'{name} is missing or altered'


def test_a_describing_file_that_is_altered_is_named(published):
  path = published.directory / 'label.labels.txt'
  text = path.read_text()
  path.write_text('cat\n')
  state = dataset_state(published)
  assert (state.kind, state.damaged_texts) == (Kind.DAMAGED, {path.name: text})
  assert dataset_state(published, Depth.NAMES).kind is Kind.PUBLISHED


def test_a_repair_that_was_interrupted_is_noticed(published):
  """Beside its plan, a dataset is looked at closely, whatever was asked for."""
  flip(shard_of(published))
  assert state_for_build(published).kind is Kind.PUBLISHED
  save_plan(published)
  assert state_for_build(published).kind is Kind.DAMAGED


def test_another_dataset_in_the_place_is_told_by_its_fingerprint(
  lab, published
):
  other = lab.plan(Settings(max_examples_per_split=8, overwrite=True))
  state = dataset_state(other)
  assert (state.kind, state.fingerprint) == (Kind.OTHER, published.fingerprint)
  (other.directory / 'metadata.json').write_text('{}')
  assert dataset_state(other).fingerprint == UNKNOWN
  # Its own manifests tell what it is.
  assert dataset_state(published).kind is Kind.DAMAGED
