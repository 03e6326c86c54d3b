"""A change of the source's images, order, labels or names is noticed."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image
from tensorflow_datasets.proto import tf_example_pb2

from pipelines.errors import BuildError
from pipelines.files.tfrecord import read_records, write_records
from pipelines.plan.saved_plan import save_plan
from pipelines.plan.settings import Settings
from pipelines.worker.read_source import read_source
from pipelines.worker.task import finish_shards
from tests.pipelines.conftest import Lab

FEW = Settings(examples_per_shard=2, max_examples_per_split=6)
NAMES = ['circle', 'square', 'star']


class Shapes(tfds.core.GeneratorBasedBuilder):
  """Six random images a split."""

  VERSION = tfds.core.Version('1.0.0')

  def _info(self):
    return tfds.core.DatasetInfo(
      builder=self,
      features=tfds.features.FeaturesDict(
        {
          'image': tfds.features.Image(shape=(8, 8, 3)),
          'label': tfds.features.ClassLabel(names=NAMES),
        }
      ),
      disable_shuffling=True,
    )

  def _split_generators(self, dl_manager):
    return {
      'train': self._generate_examples(0),
      'test': self._generate_examples(1),
    }

  def _generate_examples(self, seed):
    random = np.random.default_rng(seed)
    for key in range(6):
      image = Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8))
      yield key, {'image': image, 'label': key % 3}


@pytest.fixture
def shapes(tmp_path):
  """The folder of the prepared source, as TFRecord."""
  builder = Shapes(data_dir=tmp_path, file_format='tfrecord')
  builder.download_and_prepare()
  return builder.data_path


def plan_of(data_dir, **fields):
  return Lab(data_dir).plan(FEW, source='shapes', batch_size=16, **fields)


def edit_records(folder, change, split='train'):
  (path,) = folder.glob(f'shapes-{split}*')
  write_records(path, change(list(read_records(path))))


def swap(records):
  records[0], records[3] = records[3], records[0]
  return records


def relabel(records):
  example = tf_example_pb2.Example.FromString(records[4])
  example.features.feature['label'].int64_list.value[0] = 0
  records[4] = example.SerializeToString()
  return records


def rename(folder):
  labels = folder / 'label.labels.txt'
  labels.write_text(labels.read_text().replace('star', 'moon'))


CHANGES = {
  'order': lambda folder: edit_records(folder, swap),
  'label': lambda folder: edit_records(folder, relabel),
  'image': lambda folder: edit_records(folder, lambda r: [*r[1:], r[0]]),
  'names': rename,
}


@pytest.mark.parametrize('data', [b'a\xff\nb\nc\n', b'a\nb\n', b'a\na\nb\n'])
def test_damaged_names_of_classes_are_refused(tmp_path, shapes, data):
  """TFDS would number the classes instead."""
  (shapes / 'label.labels.txt').write_bytes(data)
  refusal = r'label\.labels\.txt, .* is damaged|but names 2 different ones'
  with pytest.raises((BuildError, ValueError), match=refusal):
    plan_of(tmp_path)


@pytest.mark.parametrize('change', CHANGES)
def test_a_changed_source_is_refused_where_a_build_waits(
  tmp_path, shapes, change
):
  plan = plan_of(tmp_path)
  save_plan(plan)
  list(finish_shards(plan.shards()[:2]))
  CHANGES[change](shapes)
  with pytest.raises(BuildError, match='has changed since the build in'):
    plan_of(tmp_path)
  # Another seed has no build that waits.
  assert plan_of(tmp_path, seed=8).source.contents != plan.source.contents


@pytest.mark.parametrize('change', ['order', 'names'])
def test_a_changed_source_is_refused_where_a_dataset_is(
  tmp_path, shapes, change
):
  lab = Lab(tmp_path)
  plan = plan_of(tmp_path)
  lab.run(plan)
  before = {p.name: p.read_bytes() for p in plan.directory.glob('*.*')}
  CHANGES[change](shapes)
  with pytest.raises(BuildError, match='holds another dataset'):
    plan_of(tmp_path)
  assert before == {p.name: p.read_bytes() for p in plan.directory.glob('*.*')}


@pytest.mark.parametrize('change', ['order', 'label', 'image'])
def test_a_source_that_changes_during_a_build_is_never_mixed_in(
  tmp_path, shapes, change
):
  plan = plan_of(tmp_path)
  save_plan(plan)
  first, second, third, *_ = plan.shards()
  done = list(finish_shards((first,)))
  CHANGES[change](shapes)
  records = list(finish_shards((first, second, third)))
  assert records[0].sha256 == done[0].sha256
  errors = [
    r for r in records if 'are not those with which this build' in r.error
  ]
  assert errors
  # A slice that ends with its shard is checked as well.
  shard = errors[0].shard
  with pytest.raises(ValueError, match='are not those'):
    list(read_source(plan, 'train', shard.start, shard.stop))


def test_what_holds_the_images_makes_no_difference(tmp_path, shapes):
  contents = plan_of(tmp_path).source.contents
  other = tmp_path / 'other'
  Shapes(data_dir=other, file_format='array_record').download_and_prepare()
  assert plan_of(other).source.contents == contents


def test_other_splits_are_another_dataset_and_no_change(tmp_path, shapes):
  lab, fields = Lab(tmp_path), {'source': 'shapes', 'batch_size': 16}
  plan = lab.plan(FEW, **fields)
  save_plan(plan)
  other = dataclasses.replace(FEW, splits=('test', 'train'))
  assert lab.plan(other, **fields).fingerprint != plan.fingerprint


def test_a_source_in_a_format_that_is_not_read_is_named(tmp_path, shapes):
  path = shapes / 'dataset_info.json'
  path.write_text(path.read_text().replace('"tfrecord"', '"riegeli"'))
  with pytest.raises(BuildError, match="in the format 'riegeli'.*tfrecord"):
    plan_of(tmp_path)


def test_the_transform_must_fit_the_images_on_disk(tmp_path, shapes):
  path = shapes / 'features.json'
  features = json.loads(path.read_text())
  image = features['featuresDict']['features']['image']['image']
  image['shape']['dimensions'][-1] = '1'
  path.write_text(json.dumps(features))
  with pytest.raises(ValueError, match='mean=.* 1 channel'):
    plan_of(tmp_path)


def test_only_the_examples_that_are_fitted_count(tmp_path, shapes):
  settings = dataclasses.replace(FEW, max_examples_per_split=2)
  lab = Lab(tmp_path)
  few = lab.plan(settings, source='shapes', batch_size=16)
  edit_records(shapes, lambda r: [*r[:4], r[5], r[4]])
  again = lab.plan(settings, source='shapes', batch_size=16)
  assert again.fingerprint == few.fingerprint


def test_a_record_without_a_labelled_image_counts_as_it_is(tmp_path, shapes):
  edit_records(shapes, lambda r: [*r[:5], b'\xff'])
  contents = plan_of(tmp_path).source.contents
  edit_records(shapes, lambda r: [*r[:5], b'\xfe'])
  assert plan_of(tmp_path).source.contents != contents
