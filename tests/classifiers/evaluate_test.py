"""Accuracies on raw images and on stored representations."""

import json

import numpy as np
import pytest
import tensorflow_datasets as tfds

from classifiers import command_line, evaluate, save_model
from classifiers.data import find_split
from tests.classifiers.conftest import TINY


def run(*argv):
  return evaluate.main([str(arg) for arg in argv])


@pytest.fixture
def model_file(tmp_path, random_model):
  def make(channels, inputs):
    path = tmp_path / f'{inputs}.safetensors'
    save_model(path, random_model(channels, inputs, TINY.name))
    return path

  return make


@pytest.mark.parametrize(
  ('channels', 'inputs'), [(8, 'representation'), (3, 'image')]
)
def test_raw_and_stored_inputs_are_classified_alike(
  tiny_dir, model_file, channels, inputs
):
  path = model_file(channels, inputs)
  stored = run(
    path, '--dataset', f'cifar10_linac/{TINY.name}', '--data_dir', tiny_dir
  )
  raw = run(path, '--dataset', 'sample', '--data_dir', tiny_dir)
  assert stored['images'] == raw['images'] == 20
  # Stored representations are rounded to float16.
  assert abs(stored['correct'] - raw['correct']) <= 1
  low, high = raw['interval_95']
  assert low <= raw['accuracy'] <= high


def test_correct_images_are_counted(tiny_dir, random_model):
  model = random_model(3, config_name=TINY.name)
  split = find_split('sample', 'test', str(tiny_dir))
  correct = evaluate.correctly_classified(model, split, batch_size=7)
  from classifiers.defence.classifier import UndefendedClassifier

  examples = list(split.examples('image'))
  logits = UndefendedClassifier(model)(np.stack([x for x, _ in examples]))
  np.testing.assert_array_equal(
    correct, logits.argmax(axis=1) == [label for _, label in examples]
  )


def test_another_keys_representations_are_refused(
  tiny_dir, tmp_path, random_model
):
  path = tmp_path / 'model.safetensors'
  save_model(path, random_model(8, 'representation', 'seed_5'))
  with pytest.raises(ValueError, match='trained on cifar10_linac/seed_5'):
    run(path, '--dataset', f'cifar10_linac/{TINY.name}', '--data_dir', tiny_dir)


def test_nothing_is_built_or_downloaded(tmp_path, model_file):
  path = model_file(3, 'image')
  for dataset in ('cifar10_linac/seed_9', 'cifar10', 'no_such_dataset'):
    with pytest.raises(ValueError, match=f'{dataset} is not prepared'):
      run(path, '--dataset', dataset, '--data_dir', tmp_path)
  assert [p.name for p in tmp_path.iterdir()] == ['image.safetensors']


def test_a_split_that_is_none_is_refused(tiny_dir, model_file):
  path = model_file(3, 'image')
  with pytest.raises(ValueError, match="split='val'.*train, test|test, train"):
    run(path, '--dataset', 'sample', '--data_dir', tiny_dir, '--split', 'val')


def test_the_command_line_prints_json_or_an_error(tiny_dir, model_file, capsys):
  path = str(model_file(3, 'image'))
  good = [path, '--dataset', 'sample', '--data_dir', str(tiny_dir)]
  assert command_line.run(evaluate.main, good) == 0
  assert json.loads(capsys.readouterr().out)['images'] == 20
  for bad in (['--data', 'x'], ['--batch_size', '0'], ['--batch_size', 'x']):
    assert command_line.run(evaluate.main, good + bad) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith('error: ')


def test_the_order_of_a_split_is_the_datasets(tiny_dir):
  split = find_split(f'cifar10_linac/{TINY.name}', 'train', str(tiny_dir))
  source = tfds.builder('sample', data_dir=tiny_dir).as_data_source('train')
  labels = [label for _, label in split.examples('image')]
  assert labels == [example['label'] for example in source]
  batches = list(split.batches('representation', 30))
  assert [len(y) for _, y in batches] == [30, 30, 30, 10]
