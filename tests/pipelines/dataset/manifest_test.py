import json

import pytest

from pipelines.dataset.manifest import (
  manifest_path,
  read_manifest,
  write_manifest,
)
from pipelines.dataset.state import sound_manifest
from pipelines.files import strict_json
from pipelines.plan.saved_plan import save_plan
from pipelines.plan.settings import Settings
from pipelines.worker.task import finish_shards


@pytest.fixture
def plan(lab):
  plan = lab.plan(
    Settings(splits=('test',), max_examples_per_split=4, examples_per_shard=2)
  )
  save_plan(plan)
  list(finish_shards(tuple(plan.shards())))
  return plan


def test_a_manifest_is_read_back_with_every_value(plan):
  shard = plan.shards()[1]
  path = manifest_path(plan, shard)
  manifest = sound_manifest(plan, shard)
  assert {'schema': 2, **vars(manifest)} == json.loads(path.read_text())
  assert manifest.ids == ['test_00002', 'test_00003']


@pytest.mark.parametrize(
  'change',
  [
    {'split': 'train'},
    {'index': 0},
    {'index': True},
    {'start': 2.0},
    {'stop': 5},
    {'fingerprint': '0' * 64},
    {'file_name': '../../x'},
    {'file_bytes': -1},
    {'example_bytes': 2**63},
    {'sha256': None},
    {'ids': ['a']},
    {'ids': 'ab'},
    *(
      {'measures': {'psnr': psnr, 'final_loss': loss}}
      for psnr, loss in (
        ([30.0] * 3, [0.1] * 2),
        ([30.0, float('nan')], [0.1] * 2),
        ([30.0] * 2, [0.1, '0.1']),
      )
    ),
    {'measures': {'psnr': [30.0, 30.0]}},
    {'schema': 1},
    {'schema': 3},
    {'representation_sha256': []},
    {'device': ['cpu']},
    {'versions': {'jax': 1}},
    {'surplus': 1},
  ],
)
def test_a_manifest_that_does_not_fit_the_shard_is_refused(plan, change):
  shard = plan.shards()[1]
  path = manifest_path(plan, shard)
  path.write_text(json.dumps(json.loads(path.read_text()) | change))
  assert read_manifest(plan, shard) is None
  assert sound_manifest(plan, shard) is None


@pytest.mark.parametrize('data', [b'', b'null', b'[' * 100_000, b'\xff\x00'])
def test_a_file_that_is_no_json_is_no_manifest(plan, data):
  shard = plan.shards()[0]
  manifest_path(plan, shard).write_bytes(data)
  assert read_manifest(plan, shard) is None


def test_a_folder_is_no_manifest(plan):
  shard = plan.shards()[0]
  path = manifest_path(plan, shard)
  path.unlink()
  path.mkdir()
  assert read_manifest(plan, shard) is None


def test_only_a_manifest_that_can_be_read_is_written(plan):
  shard = plan.shards()[0]
  manifest = read_manifest(plan, shard)
  manifest.measures['psnr'][0] = float('inf')
  with pytest.raises(ValueError, match='JSON compliant'):
    write_manifest(plan, shard, manifest)
  manifest.measures['psnr'][0] = 30.0
  manifest.ids[0] = 'x' * strict_json.MAX_BYTES
  with pytest.raises(ValueError, match='smaller --examples_per_shard'):
    write_manifest(plan, shard, manifest)
  assert read_manifest(plan, shard).ids == ['test_00000', 'test_00001']
