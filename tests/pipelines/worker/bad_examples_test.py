"""Bad examples: nothing is published, or all other examples are."""

import dataclasses
import json

import pytest
import tensorflow_datasets as tfds

import linac_tfds
from pipelines import verify
from pipelines.files.tfrecord import read_records, write_records
from pipelines.plan.saved_plan import FAILURE_FILE
from pipelines.plan.settings import Settings
from tests.pipelines.conftest import with_settings

REASON = 'it cannot be parsed'


@pytest.fixture
def damaged(lab):
  """A plan whose source has two damaged records, a whole shard of `train`."""
  builder = linac_tfds.Sample(
    data_dir=lab.data_dir / 'damaged', file_format='tfrecord'
  )
  builder.download_and_prepare()
  (path,) = builder.data_path.glob('sample-train.tfrecord*')
  records = list(read_records(path))
  records[12:14] = [b'\xff', b'\xff']
  write_records(path, records)
  plan = lab.plan(Settings(examples_per_shard=2))
  source = dataclasses.replace(
    plan.source, directory=str(builder.data_path), digests={}
  )
  return dataclasses.replace(plan, source=source)


def shard_files(folder):
  """The inode of each shard, by its name."""
  return {path.name: path.stat().st_ino for path in folder.glob('*linac-*')}


def test_nothing_is_published_and_nothing_is_lost(lab, damaged):
  lab.run(damaged)
  *reasons, summary = (damaged.staging / FAILURE_FILE).read_text().splitlines()
  assert [line.partition(':')[0] for line in reasons] == [
    "'train_00012'",
    "'train_00013'",
  ]
  assert all(REASON in line for line in reasons)
  assert '2 of 120 examples are bad' in summary
  assert '--on_bad_example=skip' in summary
  assert not damaged.directory.exists()

  finished = shard_files(damaged.staging)
  assert len(finished) == len(damaged.shards())
  (damaged.staging / FAILURE_FILE).unlink()
  damaged = with_settings(damaged, on_bad_example='skip')
  lab.run(damaged)
  assert shard_files(damaged.directory) == finished  # Not fitted again.


def test_the_others_are_published_and_the_bad_are_listed(lab, damaged, capsys):
  damaged = with_settings(damaged, on_bad_example='skip')
  lab.run(damaged)
  lines = (damaged.directory / 'bad_examples.jsonl').read_text().splitlines()
  listed = [json.loads(line) for line in lines]
  assert [(e['split'], e['index'], e['id']) for e in listed] == [
    ('train', 12, 'train_00012'),
    ('train', 13, 'train_00013'),
  ]
  metadata = json.loads((damaged.directory / 'metadata.json').read_text())
  assert metadata['bad_examples'] == {'train': 2, 'test': 0}

  builder = tfds.builder_from_directory(damaged.directory)
  assert builder.info.splits['train'].num_examples == 98
  config = tfds.ReadConfig(interleave_cycle_length=1)
  ids = [
    example['id'].decode()
    for example in tfds.as_numpy(
      builder.as_dataset(split='train', read_config=config)
    )
  ]
  assert ids == [f'train_{i:05d}' for i in range(100) if i not in (12, 13)]
  assert verify.main([str(damaged.directory), '--examples=200']) == 0
  # As many are drawn as are asked for, and none of the bad ones.
  assert 'refit    ok       118 examples' in capsys.readouterr().out


@pytest.mark.parametrize('choice', ['stop', 'skip'])
def test_a_split_without_a_good_example_is_no_split(lab, choice):
  settings = Settings(
    min_psnr=1000, on_bad_example=choice, max_examples_per_split=3
  )
  plan = lab.plan(settings)
  lab.run(plan)
  *reasons, summary = (plan.staging / FAILURE_FILE).read_text().splitlines()
  assert all('less than min_psnr=1000' in reason for reason in reasons)
  assert len(reasons) == 6
  assert '6 of 6 examples are bad' in summary
  assert 'No example is good of train, test.' in summary
  assert 'skip' not in summary
  assert not plan.directory.exists()
