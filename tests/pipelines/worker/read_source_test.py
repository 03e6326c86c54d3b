"""Sources of several shapes give the same examples as TFDS, in order."""

import dataclasses
import json
import re
import shutil

import numpy as np
import pytest
import tensorflow_datasets as tfds
from array_record.python import array_record_module

import linac_tfds
from linac_tfds import Cifar10Linac, LinacBuilderConfig
from pipelines.dataset.manifest import BadExample
from pipelines.errors import BuildError
from pipelines.files.tfrecord import write_records
from pipelines.plan.settings import Settings
from pipelines.preparation.make_plan import make_plan
from pipelines.worker.read_source import read_source

IN_ORDER = tfds.ReadConfig(interleave_cycle_length=1)


class Cifar100Like(tfds.core.GeneratorBasedBuilder):
  """Ids, two kinds of labels, a hundred classes and several files."""

  VERSION = tfds.core.Version('3.0.2')

  def _info(self):
    return tfds.core.DatasetInfo(
      builder=self,
      features=tfds.features.FeaturesDict(
        {
          'id': tfds.features.Text(),
          'image': tfds.features.Image(shape=(32, 32, 3)),
          'label': tfds.features.ClassLabel(num_classes=100),
          'coarse_label': tfds.features.ClassLabel(num_classes=20),
        }
      ),
    )

  def _split_generators(self, dl_manager):
    del dl_manager
    return {'train': self._generate_examples()}

  def _generate_examples(self):
    random = np.random.default_rng(0)
    for i in range(40):
      yield (
        i,
        {
          'id': f'image_{i}',
          'image': random.integers(0, 256, (32, 32, 3), np.uint8),
          'label': i % 100,
          'coarse_label': i % 20,
        },
      )


def prepare_cifar100_like(folder):
  builder = Cifar100Like(data_dir=folder)
  builder.download_and_prepare(
    download_config=tfds.download.DownloadConfig(num_shards=3)
  )
  assert builder.info.splits['train'].num_shards == 3


def prepare_dummy_mnist(folder):
  tfds.testing.DummyMnist(data_dir=folder).download_and_prepare()


SOURCES = {
  'cifar100_like': (prepare_cifar100_like, '+batch_size_128'),
  'dummy_mnist': (
    prepare_dummy_mnist,
    '+batch_size_196+mean_0.1307+std_0.3081',
  ),
}


@pytest.fixture(params=SOURCES)
def plan(request, lab):
  prepare, fields = SOURCES[request.param]
  prepare(lab.data_dir)
  small = '+num_layers_2+width_8+num_features_2+representation_layer_1'
  builder = Cifar10Linac(
    config=f'{request.param}_seed_1_f64{small}+num_epochs_1{fields}',
    data_dir=lab.data_dir,
  )
  settings = Settings(
    splits=('train',), max_examples_per_split=20, examples_per_shard=7
  )
  return make_plan(builder, settings)


def expected_examples(plan):
  return list(
    tfds.as_numpy(
      tfds.load(
        plan.source.name,
        split='train[:20]',
        data_dir=plan.data_dir,
        read_config=IN_ORDER,
      )
    )
  )


@pytest.mark.parametrize(('start', 'stop'), [(0, 20), (3, 4), (11, 18)])
def test_slices_of_a_source(plan, start, stop):
  expected = expected_examples(plan)[start:stop]
  for ours, theirs in zip(
    read_source(plan, 'train', start, stop), expected, strict=True
  ):
    np.testing.assert_array_equal(ours['image'], theirs['image'])
    assert ours['label'] == theirs['label']
    if plan.source.schema.has_id:
      assert ours['id'] == theirs['id'].decode()


def test_a_dataset_of_a_source(plan, lab):
  lab.run(plan)
  dataset = tfds.load(
    f'cifar10_linac/{plan.config_name}',
    split='train',
    data_dir=plan.data_dir,
    read_config=IN_ORDER,
  )
  expected = expected_examples(plan)
  for ours, theirs in zip(tfds.as_numpy(dataset), expected, strict=True):
    np.testing.assert_array_equal(ours['image'], theirs['image'])
    assert ours['label'] == theirs['label']
    assert ours['representation'].shape == (*theirs['image'].shape[:2], 8)


def test_a_source_without_its_files_is_named(plan):
  source = dataclasses.replace(plan.source, directory='/nowhere')
  plan = dataclasses.replace(plan, source=source)
  with pytest.raises(ValueError, match='/nowhere'):
    list(read_source(plan, 'train', 0, 1))


def test_a_damaged_array_record_is_named(lab):
  plan = lab.plan()
  for path in lab.data_dir.glob('sample/*/sample-train*'):
    path.write_bytes(path.read_bytes()[:-1000])
  with pytest.raises(ValueError, match='train of .*sample.* cannot be read'):
    list(read_source(plan, 'train', 0, 100))


def test_a_relative_folder_is_found_from_anywhere(
  sample_dir, tmp_path, monkeypatch
):
  monkeypatch.chdir(sample_dir.parent)
  builder = Cifar10Linac(
    config='sample_seed_1', data_dir=tmp_path, source_data_dir=sample_dir.name
  )
  plan = make_plan(builder, Settings())
  assert plan.source.data_dir == str(sample_dir)


def edit_json(path, change):
  """Applies `change` to the contents of a JSON file."""
  contents = json.loads(path.read_text())
  change(contents)
  path.write_text(json.dumps(contents))


@pytest.fixture
def foreign(sample_dir):
  """The sample as a dataset of somebody else, without its builder's code."""
  folder = shutil.copytree(
    sample_dir / 'sample' / '1.0.0', sample_dir / 'foreign' / '1.0.0'
  )
  for path in folder.glob('sample-*'):
    path.rename(folder / path.name.replace('sample-', 'foreign-'))
  edit_json(folder / 'dataset_info.json', lambda i: i.update(name='foreign'))
  return folder


def plan_of_foreign(folder):
  config = LinacBuilderConfig(source='foreign', width=8, batch_size=128)
  builder = Cifar10Linac(config=config, data_dir=folder.parents[1])
  return make_plan(builder, Settings())


def test_a_dataset_without_code_is_a_source(foreign):
  plan = plan_of_foreign(foreign)
  assert len(list(read_source(plan, 'train', 0, 3))) == 3


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    (lambda i: i.update(name='../../x'), r"foreign.* holds '../../x/1.0.0'"),
    (lambda i: i.update(configName='../x'), "holds 'foreign/../x/1.0.0'"),
    (lambda i: i.update(version='9.9.9'), "holds 'foreign/9.9.9'"),
    (lambda i: i['splits'][0].update(name='../../x'), "split '../../x'"),
    (lambda i: i['splits'][0].update(name='a\x1b[2J'), r"split 'a.x1b\[2J'"),
    (lambda i: i['splits'][0].update(shardLengths=[2**62]), 'makes .* shards'),
  ],
)
def test_names_in_a_sources_metadata_lead_nowhere_else(
  foreign, change, message
):
  edit_json(foreign / 'dataset_info.json', change)
  with pytest.raises((BuildError, ValueError), match=message):
    plan_of_foreign(foreign)


@pytest.mark.parametrize('template', ['/etc/passwd', '../{SPLIT}', '{SPLIT}/x'])
def test_a_source_has_no_data_outside_its_folder(foreign, template):
  edit_json(
    foreign / 'dataset_info.json',
    lambda i: i['splits'][0].update(filepathTemplate=template),
  )
  with pytest.raises(BuildError, match='data outside itself'):
    plan_of_foreign(foreign)


@pytest.mark.parametrize(
  'text', ['', 'null', '[', '[' * 100_000, '{"splits": 1}']
)
def test_damaged_metadata_are_no_source(foreign, text):
  (foreign / 'dataset_info.json').write_text(text)
  with pytest.raises(ValueError, match="source='foreign' is no dataset"):
    plan_of_foreign(foreign)


@pytest.mark.parametrize('file_format', ['tfrecord', 'array_record'])
def test_records_that_are_no_labelled_images_are_bad(lab, file_format):
  """Reads records of a hostile source, or of a builder with a mistake."""
  features = tfds.features.FeaturesDict(
    {
      'image': tfds.features.Image(shape=(None, None, 3)),
      'label': tfds.features.Scalar(np.int64),
    }
  )
  good = {'image': np.zeros((32, 32, 3), np.uint8), 'label': 9}
  records = [
    features.serialize_example(good | change)
    for change in (
      {},
      {'label': -1},
      {'label': 10},
      {'image': np.zeros((16, 32, 3), np.uint8)},
      {'image': np.zeros((33, 32, 3), np.uint8)},
    )
  ]
  records += [b'', b'\xff\xff\xff', b'image', b'\x0a\x00', records[0]]
  plan = plan_of_records(lab, file_format, records)
  examples = list(read_source(plan, 'train', 0, len(records)))
  bad = [isinstance(example, BadExample) for example in examples]
  assert bad == [False, *[True] * 8, False]
  assert [e.index for e in examples[1:-1]] == list(range(1, 9))
  for example, reason in zip(
    examples[1:],
    ['label -1', 'label 10', r'\(16, 32, 3\)', r'size \(33, 32\)']
    + ['parsed'] * 4,
    strict=False,
  ):
    if isinstance(example, BadExample):
      assert re.search(reason, example.reason)


def plan_of_records(lab, file_format, records):
  """Makes a plan whose source has these records as its training split."""
  builder = linac_tfds.Sample(
    data_dir=lab.data_dir / 'damaged', file_format=file_format
  )
  builder.download_and_prepare()
  (path,) = builder.data_path.glob('sample-train.*')
  records = records + records[:1] * (100 - len(records))
  if file_format == 'tfrecord':
    write_records(path, records)
  else:
    writer = array_record_module.ArrayRecordWriter(str(path), 'group_size:1')
    for record in records:
      writer.write(record)
    writer.close()
  plan = lab.plan()
  source = dataclasses.replace(
    plan.source, directory=str(builder.data_path), digests={}
  )
  return dataclasses.replace(plan, source=source)


def test_images_without_pixels_are_refused(foreign):
  edit_json(
    foreign / 'features.json',
    lambda f: f['featuresDict']['features']['image']['image'].update(
      shape={'dimensions': ['0', '32', '3']}
    ),
  )
  with pytest.raises(ValueError, match=r'shape \(0, 32, 3\)'):
    plan_of_foreign(foreign)
