import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linac_config import KeylessConfig, LinacConfig
from linac_tfds.schema import ImageSchema
from pipelines.errors import BuildError
from pipelines.plan import fingerprint
from pipelines.plan.dataset_plan import DatasetPlan, SourceSpec
from pipelines.plan.private_key import PrivateKey
from pipelines.plan.saved_plan import load_plan, save_plan
from pipelines.plan.settings import Settings
from transforms import draw

PLAN = DatasetPlan(
  config=KeylessConfig(arithmetic='xla'),
  seed=7,
  private_key=None,
  source=SourceSpec(
    name='sample',
    version='1.0.0',
    data_dir='/source',
    directory='/source/sample/1.0.0',
    schema=ImageSchema((32, 32, 3), ('a', 'b'), has_id=False),
  ),
  splits=(('train', 100), ('test', 20)),
  data_dir='/data',
  version='1.1.0',
  settings=Settings(),
)
SETTINGS = {f.name for f in dataclasses.fields(Settings)}


def replace(plan=PLAN, **fields):
  """The plan with other fields or other settings."""
  settings = {k: fields.pop(k) for k in SETTINGS & fields.keys()}
  if settings.get('splits') and isinstance(settings['splits'][0], tuple):
    # These are the plan's splits, with their sizes, not the setting.
    fields['splits'] = settings.pop('splits')
  settings = dataclasses.replace(plan.settings, **settings)
  return dataclasses.replace(plan, **fields, settings=settings)


@given(st.integers(1, 70_000), st.none() | st.integers(1, 1000))
def test_shards_cover_a_split_in_order_and_evenly(size, limit):
  plan = replace(PLAN, splits=(('train', size),), examples_per_shard=limit)
  shards = plan.shards()
  assert [s.start for s in shards] == [0, *(s.stop for s in shards[:-1])]
  assert shards[-1].stop == size
  sizes = {s.size for s in shards}
  assert max(sizes) - min(sizes) <= 1
  assert max(sizes) <= (limit or (128 if size >= 4096 else 32))
  assert [(s.index, s.count) for s in shards] == [
    (i, len(shards)) for i in range(len(shards))
  ]


def test_cifar10_has_the_documented_layout():
  plan = replace(PLAN, splits=(('train', 50_000), ('test', 10_000)))
  counts = {shard.split: shard.count for shard in plan.shards()}
  assert counts == {'train': 391, 'test': 79}
  assert plan.representation_bytes == 512 * 1024
  compressed = replace(plan, file_format='array_record')
  assert 0.5 < compressed.example_bytes / plan.example_bytes < 0.7
  assert plan.shards()[0].file_name('tfrecord') == (
    'cifar10_linac-train.tfrecord-00000-of-00391'
  )


def replace_source(**fields):
  return dataclasses.replace(PLAN.source, **fields)


@pytest.mark.parametrize(
  'change',
  [
    {'seed': 8},
    {'config': dataclasses.replace(PLAN.config, std=(0.5, 0.5, 0.5))},
    {'config': dataclasses.replace(PLAN.config, arithmetic='canonical')},
    {'source': replace_source(contents='0' * 32)},
    {'min_psnr': 20.0},
    {'source': replace_source(name='mnist')},
    {'source': replace_source(version='2.0.0')},
    {'splits': (('train', 99), ('test', 20))},
    {'splits': (('train', 100),)},
    {'splits': (('test', 20), ('train', 100))},
    {'version': '1.2.0'},
    {'storage_dtype': 'float32'},
    {'file_format': 'array_record'},
    {'examples_per_shard': 7},
  ],
)
def test_a_change_that_changes_the_files_changes_the_fingerprint(change):
  changed = replace(PLAN, **change)
  assert changed.fingerprint != PLAN.fingerprint
  assert changed.staging != PLAN.staging


@pytest.mark.parametrize(
  'change',
  [
    {'source': replace_source(directory='/elsewhere', data_dir='/')},
    {'data_dir': '/elsewhere'},
    {'images_per_batch': 256},
    {'overwrite': True},
  ],
)
def test_a_change_that_keeps_the_files_keeps_the_fingerprint(change):
  assert replace(PLAN, **change).fingerprint == PLAN.fingerprint


def test_the_fingerprint_is_stable():
  """A new release of this project must find what an old one staged."""
  assert PLAN.fingerprint[:16] == 'a53c9aa576bb10d3'
  assert replace(version='1.0.0').fingerprint[:16] == '3c1b048ffaccc7e0'
  assert replace(version='2.0.0').fingerprint[:16] == 'f310850ee5210aa9'
  canonical = replace(version='2.0.0', config=KeylessConfig())
  assert canonical.fingerprint[:16] == 'e1823f674aa65b30'


def test_every_field_has_a_value_for_files_that_do_not_mention_it():
  """A new field needs such a value, so that it changes no old fingerprint."""
  fields = {f.name: f.default for f in dataclasses.fields(KeylessConfig)}
  assert fields | {'arithmetic': 'xla'} == fingerprint.MEANT_BY_DEFAULT
  recorded = {
    field.name: field.default
    for field in dataclasses.fields(Settings)
    if field.metadata['in_fingerprint']
  }
  assert recorded == fingerprint.SETTINGS_MEANT_BY_DEFAULT


def test_only_arithmetic_that_is_not_xlas_is_in_a_fingerprint():
  canonical = replace(config=KeylessConfig(arithmetic='canonical'))
  assert fingerprint.identity(canonical)['transform'] == {
    'arithmetic': 'canonical'
  }
  assert canonical.fingerprint != PLAN.fingerprint


@pytest.mark.parametrize('version', ['1.0.2', '1.1.0', '2.0.0'])
def test_a_saved_plan_that_does_not_mention_arithmetic_means_xla(
  tmp_path, version
):
  plan = replace(PLAN, data_dir=str(tmp_path), version=version)
  save_plan(plan)
  path = plan.staging / 'plan.json'
  saved = json.loads(path.read_text())
  del saved['config']['arithmetic']
  path.write_text(json.dumps(saved))
  assert load_plan(str(plan.staging)).config.arithmetic == 'xla'


def test_the_folder_of_an_old_version_does_not_mention_xla():
  plan = replace(PLAN, config=KeylessConfig(arithmetic='xla', width=8))
  old = replace(plan, version='1.1.0')
  assert old.directory.parent.name == 'sample_seed_7+width_8'
  assert old.directory != replace(plan, version='2.0.0').directory


def test_a_fingerprint_holds_only_values_that_are_not_the_default():
  identity = fingerprint.identity(PLAN)
  assert (identity['transform'], identity['settings']) == ({}, {})
  config = dataclasses.replace(PLAN.config, width=8)
  other = replace(config=config, storage_dtype='float32')
  identity = fingerprint.identity(other)
  assert identity['transform'] == {'width': 8}
  assert identity['settings'] == {'storage_dtype': 'float32'}


def test_a_private_plan_has_no_config_that_a_fit_accepts(tmp_path):
  (tmp_path / 'key').write_text('7')
  key = PrivateKey('secret', '0' * 16, str(tmp_path / 'key'))
  plan = replace(seed=None, private_key=key)
  with pytest.raises(TypeError, match='KeylessConfig'):
    draw(plan.config, (8, 8, 3))
  assert plan.reveal() == LinacConfig(seed=7, arithmetic='xla')
  assert '7' not in json.dumps(fingerprint.provenance(plan)['config']['seed'])


def test_a_plan_has_either_a_seed_or_a_private_key():
  with pytest.raises(ValueError, match='either a seed or a private key'):
    replace(seed=None)


def test_a_saved_plan_is_loaded_back(tmp_path):
  plan = replace(PLAN, data_dir=str(tmp_path))
  save_plan(plan)
  assert load_plan(str(plan.staging)) == plan
  assert hash(load_plan(str(plan.staging)).shards()[0]) is not None


@pytest.mark.parametrize(
  'name',
  [
    '',
    '../../x',
    '/etc',
    '..',
    'a.b',
    'tr\x1b[2Jain',
    'x\n',
    'træin',
    'x' * 101,
  ],
)
def test_a_split_that_is_no_part_of_a_file_name_is_refused(name):
  with pytest.raises(ValueError, match='no part of a file name') as caught:
    replace(PLAN, splits=(('train', 1), (name, 1)))
  assert str(caught.value).isprintable()


@pytest.mark.parametrize(
  ('size', 'limit'), [(100_000, 1), (2**63 - 1, None), (-5, None), (9, -3)]
)
def test_shards_that_cannot_be_numbered_are_refused(size, limit):
  with pytest.raises(ValueError, match=f'examples_per_shard={limit} '):
    replace(PLAN, splits=(('train', size),), examples_per_shard=limit)


@pytest.mark.parametrize(
  'change',
  [
    {'version': '../../1.0.0'},
    {'splits': [['train', 99], ['test', 20]]},
    {'splits': [['train', '100'], ['test', 20]]},
    {'splits': [['../train', 100], ['test', 20]]},
    {'splits': [['train', 2**63 - 1], ['test', 20]]},
    {'settings': {'file_format': '../x'}},
    {'settings': {'images_per_batch': True}},
    {'settings': {'surplus': 1}},
    {'schema': 3},
    {'schema': 2.0},
    {'schema': True},
    {'schema': '2'},
    {'seed': None},
    {'source': None},
    {'config': {'seed': 7}},
    {'surplus': 1},
  ],
)
def test_a_plan_that_is_not_of_its_folder_is_refused(tmp_path, change):
  plan = replace(PLAN, data_dir=str(tmp_path))
  save_plan(plan)
  path = plan.staging / 'plan.json'
  path.write_text(json.dumps(json.loads(path.read_text()) | change))
  with pytest.raises(BuildError, match='no valid plan: .*\n.*writes'):
    load_plan(str(plan.staging))


@pytest.mark.parametrize('data', [None, b'', b'[' * 100_000, b'\xff', b'null'])
def test_a_file_that_is_no_plan_is_refused(tmp_path, data):
  if data is not None:
    (tmp_path / 'plan.json').write_bytes(data)
  with pytest.raises(
    BuildError, match='no valid plan: .*plan.json.*\n.*writes'
  ):
    load_plan(str(tmp_path))
