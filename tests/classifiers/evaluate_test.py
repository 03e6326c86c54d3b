"""The command that evaluates takes raw images and stored representations."""

import dataclasses
import json
import re

import pytest

from classifiers import Model, evaluate, save_model
from classifiers.evaluation import accuracy
from linac_config import config_names
from linac_config.config import ARITHMETICS
from tests.classifiers.conftest import TINY, CommandError


@pytest.fixture
def run(run_command):
  """A function that runs the command with these arguments."""
  return lambda *argv: run_command(evaluate.main, *argv)


@pytest.fixture
def model_file(tmp_path, random_model):
  """A function that writes a model of random numbers to a file."""

  def make(channels, inputs):
    path = tmp_path / f'{inputs}.safetensors'
    save_model(path, random_model(channels, inputs, TINY.name))
    return path

  return make


@pytest.mark.parametrize(
  ('channels', 'inputs'), [(8, 'representation'), (3, 'image')]
)
def test_raw_and_stored_inputs_are_classified_alike(
  run, tiny_dir, model_file, channels, inputs
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


def test_another_keys_representations_are_refused(
  run, tiny_dir, tmp_path, random_model
):
  path = tmp_path / 'model.safetensors'
  save_model(path, random_model(8, 'representation', 'seed_5'))
  with pytest.raises(CommandError, match='trained on cifar10_linac/seed_5'):
    run(path, '--dataset', f'cifar10_linac/{TINY.name}', '--data_dir', tiny_dir)


def test_representations_by_another_arithmetic_are_refused(
  run, tiny_dir, tmp_path, random_model
):
  (arithmetic,) = set(ARITHMETICS) - {TINY.linac.arithmetic}
  config = dataclasses.replace(TINY.linac, arithmetic=arithmetic)
  name = config_names.config_name(TINY.source, config, '1.1.0')
  model = random_model(8, 'representation', name)
  spec = dataclasses.replace(model.spec, dataset_version='1.1.0')
  path = tmp_path / 'model.safetensors'
  save_model(path, Model(spec, model.variables))
  with pytest.raises(CommandError, match=re.escape(f'{name}:1.1.0.')):
    run(path, '--dataset', f'cifar10_linac/{TINY.name}', '--data_dir', tiny_dir)


def test_a_private_name_means_another_transform_in_old_versions():
  old, older, new = (
    accuracy._meaning('mine', version)
    for version in ('1.0.2', '1.1.0', '2.0.0')
  )
  assert old == older != new


def test_a_model_of_other_classes_or_channels_is_refused(
  run, tiny_dir, tmp_path, random_model
):
  path = tmp_path / 'model.safetensors'
  save_model(path, random_model(3, num_classes=7))
  with pytest.raises(CommandError, match='has 7 classes, but sample.* has 10'):
    run(path, '--dataset', 'sample', '--data_dir', tiny_dir)
  save_model(path, random_model(9, 'representation', TINY.name))
  with pytest.raises(CommandError, match='of 9 channels, but those of .* 8'):
    run(path, '--dataset', f'cifar10_linac/{TINY.name}', '--data_dir', tiny_dir)


def test_nothing_is_built_or_downloaded(run, tmp_path, model_file):
  path = model_file(3, 'image')
  for dataset in ('cifar10_linac/seed_9', 'cifar10', 'no_such_dataset'):
    with pytest.raises(CommandError, match=f'{dataset} is not prepared'):
      run(path, '--dataset', dataset, '--data_dir', tmp_path)
  assert [p.name for p in tmp_path.iterdir()] == ['image.safetensors']


def test_a_split_that_is_none_is_refused(run, tiny_dir, model_file):
  path = model_file(3, 'image')
  with pytest.raises(
    CommandError, match="split='val'.*train, test|test, train"
  ):
    run(path, '--dataset', 'sample', '--data_dir', tiny_dir, '--split', 'val')


def test_the_command_line_prints_json_or_an_error(tiny_dir, model_file, capsys):
  path = str(model_file(3, 'image'))
  good = [path, '--dataset', 'sample', '--data_dir', str(tiny_dir)]
  assert evaluate.main(good) == 0
  assert json.loads(capsys.readouterr().out)['images'] == 20
  for bad in (['--data', 'x'], ['--batch_size', '0'], ['--batch_size', 'x']):
    assert evaluate.main(good + bad) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith('error: ')
