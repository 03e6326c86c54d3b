import dataclasses
import json

import mlcroissant
import numpy as np
import pytest
import tensorflow_datasets as tfds

from pipelines.command_line import after_build
from pipelines.dataset import publish
from pipelines.dataset.state import dataset_state
from pipelines.errors import BuildError
from pipelines.files import storage
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.plan.saved_plan import save_plan
from pipelines.plan.settings import Settings
from pipelines.worker.task import finish_shards
from tests.pipelines.conftest import is_published, with_settings

FEW = Settings(max_examples_per_split=20, examples_per_shard=10)


@dataclasses.dataclass
class Staged:
  """A plan with all its shards in the staging folder.

  Attributes:
    plan: The plan of the dataset.
    sha256: The SHA-256 of each shard's file.
  """

  plan: DatasetPlan
  sha256: dict

  def publish(self):
    publish.publish(str(self.plan.staging), self.sha256)


@pytest.fixture
def staged(lab):
  plan = lab.plan(FEW)
  save_plan(plan)
  records = [r for shard in plan.shards() for r in finish_shards((shard,))]
  return Staged(plan, {record.shard: record.sha256 for record in records})


def test_what_others_left_in_the_folders_does_not_matter(staged):
  default = staged.plan.directory.parents[1] / '.config' / 'metadata.json'
  for path in (default, staged.plan.directory / '.DS_Store'):
    path.parent.mkdir(parents=True)
    path.write_bytes(b'\xff\xfe')
  publish.check_target(staged.plan)
  staged.publish()
  assert json.loads(default.read_bytes())['default_config_name']
  assert is_published(staged.plan)


def test_metadata_tell_where_the_data_came_from(staged):
  staged.publish()
  info = tfds.builder_from_directory(staged.plan.directory).info
  metadata = info.metadata
  assert metadata['fingerprint'] == staged.plan.fingerprint
  assert metadata['config'] == {
    **dataclasses.asdict(staged.plan.config),
    'seed': 3,
    'mean': list(staged.plan.config.mean),
    'std': list(staged.plan.config.std),
  }
  source = metadata['source']
  assert (source['name'], source['version']) == ('sample', '1.0.0')
  assert source['contents'] == staged.plan.source.contents
  assert set(metadata['library_versions']) >= {'jax', 'jaxlib', 'numpy'}
  assert metadata['devices'] == ['cpu']
  assert set(metadata['psnr']) == {'train', 'test'}
  dataset = tfds.load(
    f'cifar10_linac/{staged.plan.config_name}',
    data_dir=staged.plan.data_dir,
    split='train',
  )
  psnr = [e['psnr'] for e in tfds.as_numpy(dataset)]
  assert metadata['psnr']['train']['mean'] == pytest.approx(np.mean(psnr))
  assert metadata['psnr']['train']['min'] == pytest.approx(min(psnr))
  assert info.splits['train'].shard_lengths == [10, 10]


def test_a_croissant_description_is_beside_the_data(lab):
  plan = lab.plan(dataclasses.replace(FEW, storage_dtype='float32'))
  lab.run(plan)
  dataset = mlcroissant.Dataset(jsonld=plan.directory / 'croissant.json')
  fields = {f.id: f for r in dataset.metadata.record_sets for f in r.fields}
  representation = fields['examples/representation']
  assert representation.array_shape_tuple == (32, 32, 8)
  assert representation.data_types == [mlcroissant.DataType.FLOAT32]


@pytest.mark.parametrize('harm', ['cut', 'remove', 'other'])
def test_a_shard_that_is_not_sound_is_not_published(staged, harm):
  shard = staged.plan.shards()[1]
  path = staged.plan.staging / shard.file_name('tfrecord')
  if harm == 'cut':
    path.write_bytes(b'')
  elif harm == 'remove':
    path.unlink()
  else:  # The shard was replaced, with its manifest, after the worker reported.
    staged.sha256[shard] = '0' * 64
  with pytest.raises(BuildError, match='00001-of-00002 is not finished'):
    staged.publish()
  assert not staged.plan.directory.exists()


def test_publishing_again_changes_nothing(staged):
  """A runner may run its last step twice."""
  staged.publish()
  before = {p: p.stat().st_ino for p in staged.plan.directory.rglob('*')}
  staged.publish()
  assert before == {
    p: p.stat().st_ino for p in staged.plan.directory.rglob('*')
  }


def test_a_failure_while_publishing_loses_nothing(staged, monkeypatch):
  def fail(*args, **kwargs):
    raise OSError('no space left')

  with monkeypatch.context() as patch:
    patch.setattr(publish, '_publish_info', fail)
    with pytest.raises(OSError, match='no space'):
      staged.publish()
  assert not (staged.plan.directory / 'dataset_info.json').exists()
  staged.publish()
  builder = tfds.builder_from_directory(staged.plan.directory)
  assert len(builder.as_dataset(split='train')) == 20


@pytest.mark.parametrize(
  'name', ['features.json', 'label.labels.txt', 'metadata.json', 'shard']
)
def test_a_published_dataset_with_a_file_missing_is_not_done(staged, name):
  assert not is_published(staged.plan)
  staged.publish()
  assert is_published(staged.plan)
  if name == 'shard':
    name = staged.plan.shards()[2].file_name('tfrecord')
  (staged.plan.directory / name).unlink()
  assert not is_published(staged.plan)


def test_another_dataset_of_the_name_is_refused(lab, staged):
  staged.publish()
  before = {
    p.name: p.stat().st_mtime_ns for p in staged.plan.directory.glob('*')
  }
  fewer = Settings(max_examples_per_split=5)
  with pytest.raises(BuildError, match='--overwrite'):
    lab.plan(fewer)
  assert before == {
    p.name: p.stat().st_mtime_ns for p in staged.plan.directory.glob('*')
  }
  lab.run(lab.plan(dataclasses.replace(fewer, overwrite=True)))
  builder = tfds.builder_from_directory(staged.plan.directory)
  assert builder.info.splits['train'].num_examples == 5
  assert len(list(staged.plan.directory.glob('cifar10_linac-*'))) == 2


def test_a_flipped_bit_does_not_survive_overwriting(lab, staged):
  staged.publish()
  path = staged.plan.directory / staged.plan.file_name(staged.plan.shards()[1])
  data = path.read_bytes()
  path.unlink()  # Its link in another place stays as it is.
  path.write_bytes(data[:5000] + bytes([data[5000] ^ 1]) + data[5001:])
  lab.run(with_settings(staged.plan, overwrite=True))
  assert path.read_bytes() == data


def test_foreign_files_are_refused(lab, staged):
  staged.plan.directory.mkdir()
  (staged.plan.directory / 'thesis.tex').write_text('years of work')
  with pytest.raises(BuildError, match='thesis.tex'):
    lab.plan(FEW)
  with pytest.raises(BuildError, match='thesis.tex'):
    staged.publish()
  assert (staged.plan.directory / 'thesis.tex').exists()


@pytest.mark.parametrize(
  'data',
  [
    b'',
    b'null',
    b'[]',
    b'{}',
    b'[' * 100_000,
    b'\xff',
    *(
      json.dumps({'fingerprint': value}).encode()
      for value in (None, 5, [], '', '\x1b[2J', 'A' * 64, '0' * 63 + '\n')
    ),
  ],
)
def test_metadata_without_a_fingerprint_count_as_another_dataset(staged, data):
  plan = staged.plan
  plan.directory.mkdir()
  (plan.directory / 'dataset_info.json').write_text('{}')
  (plan.directory / 'metadata.json').write_bytes(data)
  assert publish.published_fingerprint(plan) == 'unknown'
  with pytest.raises(BuildError, match='its fingerprint is unknown'):
    publish.check_target(plan)


def test_a_manifest_that_names_another_file_publishes_nothing(staged):
  shard = staged.plan.shards()[0]
  path = (
    staged.plan.staging / 'manifests' / f'{shard.file_name("tfrecord")}.json'
  )
  manifest = json.loads(path.read_text())
  path.write_text(json.dumps(manifest | {'file_name': 'plan.json'}))
  with pytest.raises(BuildError, match='not finished'):
    staged.publish()
  assert not staged.plan.directory.exists()


@pytest.mark.parametrize(
  'psnr', [None, {'train': 30.0}, {'train': {'mean': 'x'}, 'test': {}}]
)
def test_a_summary_of_damaged_metadata_says_so(staged, psnr):
  staged.publish()
  path = staged.plan.directory / 'metadata.json'
  metadata = json.loads(path.read_text())
  path.write_text(json.dumps(metadata | {'psnr': psnr}))
  with pytest.raises(
    BuildError, match='metadata.json is damaged.*\n.*repair it'
  ):
    after_build.print_summary(staged.plan)


@pytest.mark.parametrize(
  ('name', 'change'),
  [
    ('label.labels.txt', 'cut'),
    ('label.labels.txt', 'flip'),
    ('label.labels.txt', 'gone'),
    ('croissant.json', 'cut'),
    ('croissant.json', 'flip'),
    ('croissant.json', 'gone'),
    ('metadata.json', 'cut'),
    ('metadata.json', 'gone'),
    ('features.json', 'flip'),
    ('dataset_info.json', 'cut'),
  ],
)
def test_damaged_metadata_are_noticed_and_mended(lab, name, change):
  """Only the describing file is damaged; its shards are kept."""
  plan = lab.plan(FEW)
  lab.run(plan)
  shards = {p: p.stat().st_ino for p in plan.directory.glob('cifar10_linac-*')}
  path = plan.directory / name
  text = path.read_text()
  assert is_published(plan)
  path.unlink()
  if change != 'gone':
    path.write_text(text[:-9] if change == 'cut' else 'X' + text[1:])
  assert not is_published(plan)
  publish.check_target(plan)  # The file counts as one of this dataset.
  publish.mend_texts(plan, dataset_state(plan))
  assert path.read_text() == text
  assert is_published(plan)
  # No shard was fitted again.
  assert {p: p.stat().st_ino for p in shards} == shards


@pytest.mark.parametrize('field', ['ids', 'psnr', 'representation_sha256'])
def test_a_published_manifest_that_was_altered_is_noticed(staged, field):
  staged.publish()
  path = next((staged.plan.directory / 'manifests').iterdir())
  manifest = json.loads(path.read_text())
  values = manifest['measures'].get(field) or manifest[field]
  values[0] = values[1]
  path.write_text(json.dumps(manifest))
  assert not is_published(staged.plan)


def test_incomplete_files_of_a_killed_build_do_not_stop_the_next_one(
  lab, staged
):
  staged.publish()
  left = [
    staged.plan.directory / 'features.json.tmp0a1b2c3d',
    staged.plan.directory / 'manifests' / 'x.json.tmp0a1b2c3d',
  ]
  for path in left:
    path.touch()
  assert lab.plan(FEW) == staged.plan
  storage.remove_parts(staged.plan.directory)
  assert not any(path.exists() for path in left)
  assert is_published(staged.plan)
