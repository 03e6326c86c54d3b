"""Training learns, resumes exactly, and keeps no key."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from classifiers import load_model, train
from classifiers.data import find_split
from classifiers.evaluate import correctly_classified
from classifiers.training import trainer as trainer_module
from classifiers.training.trainer import PRESETS, TrainConfig, Trainer, mixup
from linac_tfds import Cifar10Linac, LinacBuilderConfig
from tests.classifiers.conftest import TINY

CONFIG = TrainConfig(epochs=3, batch_size=20)


@pytest.fixture
def trainer(tiny_dir):
  def make(config=CONFIG, inputs='image', split='train'):
    split = find_split(f'cifar10_linac/{TINY.name}', split, str(tiny_dir))
    return Trainer(config, split, inputs)

  return make


def assert_equal(one, other):
  jax.tree.map(np.testing.assert_array_equal, one, other)


@pytest.mark.nightly
def test_a_run_that_was_stopped_gives_the_same_numbers(tmp_path, trainer):
  few = {'split': 'train[:40]'}
  whole, losses = train.train(trainer(**few), tmp_path / 'whole')
  assert len(losses) == 3

  stopped = trainer(**few)
  run_epoch = stopped.epoch

  def stop_in_the_second_epoch(state, on_step):
    if state.step:
      raise KeyboardInterrupt
    return run_epoch(state, on_step)

  stopped.epoch = stop_in_the_second_epoch
  with pytest.raises(KeyboardInterrupt):
    train.train(stopped, tmp_path / 'stopped')
  resumed, remaining = train.train(trainer(**few), tmp_path / 'stopped')
  assert remaining == losses[1:]
  assert_equal(resumed, whole)
  assert_equal(
    *(
      load_model(tmp_path / run / 'model.safetensors').variables
      for run in ('whole', 'stopped')
    )
  )


def test_a_classifier_learns(tmp_path, trainer):
  # A network this small keeps too little of an image for a hundred examples.
  config = dataclasses.replace(CONFIG, epochs=12, mixup=False)
  runner = trainer(config)
  state, losses = train.train(runner, tmp_path)
  assert losses[-1] < losses[0] / 2
  correct = correctly_classified(runner.model(state), runner.split, 50)
  assert correct.mean() > 0.25  # Chance is a tenth.


def test_representations_are_trained_on(tmp_path, trainer):
  config = dataclasses.replace(CONFIG, epochs=1)
  runner = trainer(config, 'representation', 'train[:40]')
  state, _ = train.train(runner, tmp_path)
  assert load_model(tmp_path / 'model.safetensors').spec.in_channels == 8
  assert int(state.step) == 2


def test_another_run_is_not_overwritten(tmp_path, trainer):
  config = dataclasses.replace(CONFIG, epochs=1)
  train.train(trainer(config, split='train[:40]'), tmp_path)
  other = dataclasses.replace(config, learning_rate=1e-4)
  with pytest.raises(ValueError, match='holds another run'):
    train.train(trainer(other), tmp_path)


def test_averages_follow_the_weights(trainer):
  config = dataclasses.replace(CONFIG, batch_size=100, ema_decay=0.15)
  runner = trainer(config)
  state = runner.initial_state()
  ema = np.array(state.ema['params']['logits']['kernel'])
  for step in range(3):  # An epoch is a step.
    state, _ = runner.epoch(state)
    decay = min(0.15, (1 + step) / (10 + step))
    weights = np.array(state.variables['params']['logits']['kernel'])
    ema = decay * ema + (1 - decay) * weights
  np.testing.assert_allclose(
    state.ema['params']['logits']['kernel'], ema, rtol=1e-5, atol=1e-7
  )


def test_epochs_are_orders_of_the_same_examples(trainer):
  split = trainer().split
  labels = [
    np.concatenate(
      [b['label'] for b in split.shuffled_batches(('label',), 20, 0, epoch)]
    )
    for epoch in (0, 0, 1)
  ]
  np.testing.assert_array_equal(labels[0], labels[1])
  assert (labels[0] != labels[2]).any()
  np.testing.assert_array_equal(np.bincount(labels[2]), [10] * 10)


def test_mixup_mixes_inputs_and_targets_alike():
  targets = np.eye(4, dtype=np.float32)
  inputs = targets.reshape(4, 1, 1, 4)
  mixed, mixed_targets = mixup(jax.random.key(0), inputs, targets)
  np.testing.assert_allclose(mixed[:, 0, 0], mixed_targets)
  np.testing.assert_allclose(mixed_targets.sum(axis=1), 1, rtol=1e-6)
  weight = mixed_targets[0, 0]
  assert 0 < weight < 1
  np.testing.assert_allclose(mixed_targets[0, 3], 1 - weight, rtol=1e-6)


def test_the_command_line_trains_and_says_how(tmp_path, tiny_dir):
  line = train.main(
    [
      f'--dataset=cifar10_linac/{TINY.name}',
      f'--data_dir={tiny_dir}',
      f'--out_dir={tmp_path}',
      '--inputs=image',
      '--epochs=1',
      '--batch_size=50',
      '--mixup=False',
    ]
  )
  assert line['steps'] == 2
  assert line['training']['mixup'] is False
  assert json.loads((tmp_path / 'run.json').read_text())['model'] == (
    dataclasses.asdict(load_model(line['model']).spec)
  )
  assert line['config_name'] == TINY.name


@pytest.mark.nightly
def test_a_private_key_is_in_no_file_and_no_line(
  tmp_path, tiny_dir, monkeypatch
):
  key = 8_765_432_109_876
  monkeypatch.setenv('LINAC_PRIVATE_KEY', str(key))
  fields = vars(TINY.linac) | {'key_derivation': 'full'}
  del fields['seed']
  config = LinacBuilderConfig(source='sample', private_name='mine', **fields)
  Cifar10Linac(config=config, data_dir=tiny_dir).download_and_prepare()
  line = train.main(
    [
      '--dataset=cifar10_linac/mine',
      f'--data_dir={tiny_dir}',
      f'--out_dir={tmp_path}',
      '--epochs=1',
    ]
  )
  assert line['config_name'] == 'mine'
  files = [path for path in tmp_path.rglob('*') if path.is_file()]
  texts = [path.read_bytes() for path in files] + [json.dumps(line).encode()]
  forms = [str(key).encode(), key.to_bytes(8, 'little'), key.to_bytes(8, 'big')]
  assert len(texts) > 5
  assert not any(form in text for text in texts for form in forms)


@pytest.mark.parametrize(
  'options',
  [
    ['--epochs=x'],
    ['--mixup=1'],
    ['--epoch=1'],
    ['--preset=tpu'],
    ['--seed=-1'],
  ],
)
def test_bad_options_are_refused(tmp_path, options):
  with pytest.raises(ValueError, match=options[0].split('=')[0].lstrip('-')):
    train.main(['--dataset=cifar10_linac', f'--out_dir={tmp_path}/x', *options])
  assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
  'field',
  [
    {'epochs': 0},
    {'batch_size': -1},
    {'learning_rate': float('nan')},
    {'weight_decay': -1.0},
    {'ema_decay': 1.0},
    {'seed': 2**32},
  ],
)
def test_a_config_names_the_field_that_is_wrong(field):
  (name,) = field
  with pytest.raises(ValueError, match=f'{name}='):
    dataclasses.replace(PRESETS['cpu'], **field)


def test_datasets_without_the_feature_or_a_batch_are_refused(tiny_dir, trainer):
  split = find_split('sample', 'train', str(tiny_dir))
  with pytest.raises(ValueError, match="no feature 'representation'"):
    Trainer(CONFIG, split, 'representation')
  with pytest.raises(ValueError, match='batch_size=101'):
    trainer(dataclasses.replace(CONFIG, batch_size=101))


def test_each_step_mixes_by_another_weight(trainer):
  runner = trainer()
  state = runner.initial_state()
  (inputs, labels) = next(runner.split.batches('image', 20))
  losses = {
    float(
      trainer_module._step(
        state.replace(step=jax.numpy.int32(step)),
        inputs,
        labels,
        runner._key,
        runner.spec.network,
        runner._optimizer,
        runner.config,
      )[1]
    )
    for step in range(3)
  }
  assert len(losses) == 3
