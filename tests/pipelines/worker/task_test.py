import dataclasses
import itertools
import re

import numpy as np
import pytest

import linac_tfds
from pipelines.dataset.manifest import BadExample, manifest_path, read_manifest
from pipelines.files.tfrecord import read_records
from pipelines.plan.saved_plan import save_plan
from pipelines.plan.settings import Settings
from pipelines.worker.fit_examples import _is_finite, fit_examples
from pipelines.worker.read_source import read_source
from pipelines.worker.task import finish_shards
from pipelines.worker.write_shard import write_shard
from tests.pipelines.conftest import with_settings
from transforms import linac


@pytest.fixture
def plan(lab):
  plan = lab.plan(Settings(examples_per_shard=10, max_examples_per_split=40))
  save_plan(plan)
  return plan


def train_shards(plan):
  return tuple(s for s in plan.shards() if s.split == 'train')


def stored_hashes(plan):
  """The hash of each stored representation, by the id of the example."""
  hashes = {}
  for shard in plan.shards():
    manifest = read_manifest(plan, shard)
    hashes |= zip(manifest.ids, manifest.representation_sha256, strict=True)
  return hashes


def test_a_slice_of_the_source_is_read_in_order(plan):
  everything = list(read_source(plan, 'train', 0, 40))
  part = list(read_source(plan, 'train', 15, 18))
  assert [e['id'] for e in part] == [
    'train_00015',
    'train_00016',
    'train_00017',
  ]
  for expected, example in zip(everything[15:18], part, strict=True):
    np.testing.assert_array_equal(example['image'], expected['image'])
    assert example['label'] == expected['label']


def test_finished_shards_are_left_alone(plan):
  shards = train_shards(plan)
  first = list(finish_shards(shards[:2]))
  assert [record.reused for record in first] == [False, False]
  files = {p: p.stat().st_mtime_ns for p in plan.staging.rglob('*json')}
  again = list(finish_shards(shards))
  assert [r.reused for r in again] == [True, True, False, False]
  assert [r.sha256 for r in again[:2]] == [r.sha256 for r in first]
  assert all(p.stat().st_mtime_ns == time for p, time in files.items())


@pytest.mark.parametrize(
  'harm', ['flip', 'truncate', 'remove', 'cut manifest', 'number']
)
def test_a_damaged_shard_is_written_again(plan, harm):
  shards = train_shards(plan)
  before = list(finish_shards(shards))
  path = plan.staging / shards[1].file_name('tfrecord')
  data = bytearray(path.read_bytes())
  if harm == 'flip':
    data[1000] ^= 1
    path.write_bytes(data)
  elif harm == 'truncate':
    path.write_bytes(data[:-1])
  elif harm == 'remove':
    path.unlink()
  elif harm == 'cut manifest':
    manifest_path(plan, shards[1]).write_text('{')
  else:
    path = manifest_path(plan, shards[1])
    path.write_text(path.read_text().replace('"psnr": [', '"psnr": [1'))
  after = list(finish_shards(shards))
  assert [r.reused for r in after] == [True, False, True, True]
  assert [r.sha256 for r in after] == [r.sha256 for r in before]


def test_manifests_tell_what_the_shards_hold(plan):
  shard = train_shards(plan)[1]
  list(finish_shards((shard,)))
  manifest = read_manifest(plan, shard)
  examples = list(read_source(plan, 'train', 10, 20))
  fit = linac(np.stack([e['image'] for e in examples]), plan.reveal())
  assert manifest.ids == [f'train_{i:05d}' for i in range(10, 20)]
  np.testing.assert_allclose(manifest.measures['psnr'], fit.psnr, rtol=1e-6)
  np.testing.assert_allclose(
    manifest.measures['final_loss'], fit.losses[:, -1], rtol=1e-6
  )
  path = plan.staging / manifest.file_name
  assert manifest.file_bytes == path.stat().st_size
  assert manifest.device == 'cpu'
  assert manifest.versions['jax']


def test_float64_bits_depend_on_neither_shards_nor_batches(lab):
  """Uses batches that cross the borders of shards: 7 does not divide 10."""
  hashes = []
  for per_shard, per_batch in [(10, 1), (10, 7), (8, 16)]:
    settings = Settings(
      examples_per_shard=per_shard,
      images_per_batch=per_batch,
      max_examples_per_split=20,
    )
    plan = lab.plan(settings)
    save_plan(plan)
    for split in ('train', 'test'):
      list(finish_shards(tuple(s for s in plan.shards() if s.split == split)))
    hashes.append(stored_hashes(plan))
  assert len(hashes[0]) == 40
  assert hashes[1] == hashes[0]
  assert hashes[2] == hashes[0]


def test_float64_bits_do_not_depend_on_the_order_of_the_images(plan):
  examples = list(read_source(plan, 'train', 0, 9))
  plan = with_settings(plan, images_per_batch=4)
  forward = {e['id']: e for e in fit_examples(plan, iter(examples))}
  for example in fit_examples(plan, iter(examples[::-1])):
    expected = forward[example['id']]['representation']
    np.testing.assert_array_equal(example['representation'], expected)


def test_only_a_few_batches_are_fitted_ahead(plan):
  """Checks that memory does not grow with the task."""
  source = read_source(plan, 'train', 0, 40)
  examples = fit_examples(plan, source)
  next(examples)
  examples.close()
  assert len(list(source)) >= 35


def test_a_fit_that_diverges_is_bad(plan):
  config = dataclasses.replace(plan.config, learning_rate=1e300)
  plan = dataclasses.replace(plan, config=config)
  first, _ = fit_examples(plan, read_source(plan, 'train', 3, 5))
  assert (first.index, first.id) == (3, 'train_00003')
  assert re.match('its fit diverged.*--learning_rate', first.reason)


@pytest.mark.parametrize('precision', ['float32', 'float64'])
def test_a_fit_whose_loss_is_beyond_float32_is_bad(plan, precision):
  """Its reconstruction, in the image's units, looks only like a bad fit."""
  config = dataclasses.replace(
    plan.config, std=(1e-25,) * 3, precision=precision
  )
  plan = dataclasses.replace(plan, config=config)
  first, _ = fit_examples(plan, read_source(plan, 'train', 3, 5))
  assert first.reason.startswith('its fit diverged')


def test_a_fit_below_min_psnr_is_bad(plan):
  fitted = list(fit_examples(plan, read_source(plan, 'train', 0, 9)))
  limit = float(np.median([example['psnr'] for example in fitted]))
  plan = with_settings(plan, min_psnr=limit)
  again = list(fit_examples(plan, read_source(plan, 'train', 0, 9)))
  assert [isinstance(e, BadExample) for e in again] == [
    example['psnr'] < limit for example in fitted
  ]
  bad = [example for example in again if isinstance(example, BadExample)]
  assert len(bad) == 4
  assert all(f'min_psnr={limit}' in example.reason for example in bad)


def test_a_source_that_ends_early_is_an_error(plan):
  shard = train_shards(plan)[0]
  examples = fit_examples(plan, read_source(plan, 'train', 0, shard.size - 1))
  with pytest.raises(ValueError, match='ended after 9 of the 10 examples'):
    write_shard(plan, shard, examples)
  assert not list(plan.staging.glob('manifests/*'))


@pytest.mark.parametrize('images_per_batch', [1, 16])
def test_a_shard_that_cannot_be_made_does_not_stop_the_others(
  plan, lab, images_per_batch
):
  """Damages the source records of the second shard."""
  builder = linac_tfds.Sample(
    data_dir=lab.data_dir / 'damaged', file_format='tfrecord'
  )
  builder.download_and_prepare()
  (path,) = builder.data_path.glob('sample-train.tfrecord*')
  records = list(read_records(path, 0, 100))
  data = bytearray(path.read_bytes())
  data[sum(len(record) + 16 for record in records[:15]) + 30] ^= 1
  path.write_bytes(data)
  source = dataclasses.replace(
    plan.source, directory=str(builder.data_path), digests={}
  )
  plan = dataclasses.replace(plan, source=source)
  plan = with_settings(plan, images_per_batch=images_per_batch)
  save_plan(plan)
  records = list(finish_shards(train_shards(plan)))
  failed = [bool(record.error) for record in records]
  assert failed == [False, True, False, False]
  assert 'is damaged or cut in its record 15' in records[1].error
  assert not records[1].sha256


def test_tasks_are_consumed_lazily(plan):
  records = finish_shards(train_shards(plan))
  next(records)
  assert len(list(plan.staging.glob('manifests/*.json'))) == 1
  assert len(list(itertools.islice(records, 1))) == 1


@pytest.mark.parametrize('dtype', ['float16', 'float32'])
def test_only_infinity_and_nan_are_not_finite(dtype):
  limits = np.finfo(dtype)
  finite = [0.0, -0.0, 1, -1, limits.max, limits.min, limits.smallest_subnormal]
  assert _is_finite(np.array(finite, dtype))
  for value in (np.inf, -np.inf, np.nan, -np.nan):
    assert not _is_finite(np.array([*finite, value], dtype))
  assert _is_finite(np.float32(-3))
  assert not _is_finite(np.float32(np.nan))
