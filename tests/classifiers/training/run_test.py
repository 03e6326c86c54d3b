"""A run in a folder learns, continues exactly and protects its folder."""

import dataclasses
import json

import jax
import numpy as np
import pytest

from classifiers import load_model
from classifiers.evaluation.accuracy import correctly_classified
from classifiers.training.run import train
from classifiers.training.step import make_optimizer
from tests.classifiers.training.conftest import CONFIG


def assert_equal(one, other):
  jax.tree.map(np.testing.assert_array_equal, one, other)


@pytest.mark.nightly
def test_a_run_that_was_stopped_gives_the_same_numbers(tmp_path, trainer):
  few = {'split': 'train[:40]'}
  whole, losses = train(trainer(**few), tmp_path / 'whole')
  assert len(losses) == 3

  stopped = trainer(**few)
  run_epoch = stopped.epoch

  def stop_in_the_second_epoch(state, on_step):
    if state.step:
      raise KeyboardInterrupt
    return run_epoch(state, on_step)

  stopped.epoch = stop_in_the_second_epoch
  with pytest.raises(KeyboardInterrupt):
    train(stopped, tmp_path / 'stopped')
  resumed, remaining = train(trainer(**few), tmp_path / 'stopped')
  assert remaining == losses[1:]
  assert_equal(resumed, whole)
  assert_equal(
    *(
      load_model(tmp_path / run / 'model.safetensors').variables
      for run in ('whole', 'stopped')
    )
  )


def test_a_classifier_learns(tmp_path, trainer):
  # From 100 examples, a network of this size cannot learn with mixup in so
  # few epochs.
  config = dataclasses.replace(CONFIG, epochs=12, mixup=False)
  runner = trainer(config)
  state, losses = train(runner, tmp_path)
  assert losses[-1] < losses[0] / 2
  correct = correctly_classified(runner.model(state), runner.split, 50)
  assert correct.mean() > 0.25  # Guesses are right in a tenth of cases.


def test_representations_are_trained_on(tmp_path, trainer):
  config = dataclasses.replace(CONFIG, epochs=1)
  runner = trainer(config, 'representation', 'train[:40]')
  state, _ = train(runner, tmp_path)
  assert load_model(tmp_path / 'model.safetensors').spec.in_channels == 8
  assert int(state.step) == 2


def test_another_run_is_not_overwritten(tmp_path, trainer):
  config = dataclasses.replace(CONFIG, epochs=1)
  train(trainer(config, split='train[:20]'), tmp_path)
  model = (tmp_path / 'model.safetensors').read_bytes()
  rate = dataclasses.replace(config, learning_rate=1e-4)
  # Both splits have 20 examples.
  for other in (
    trainer(rate, split='train[:20]'),
    trainer(config, split='test'),
  ):
    with pytest.raises(ValueError, match='holds another run'):
      train(other, tmp_path)
  for path in (tmp_path / 'checkpoints').rglob('*METADATA'):
    path.write_text('{')
  with pytest.raises(ValueError, match='checkpoints/1 cannot be restored'):
    train(trainer(config, split='train[:20]'), tmp_path)
  for text in ('{"model', '[]', '[' * 100_000):
    (tmp_path / 'run.json').write_text(text)
    with pytest.raises(ValueError, match=r'run\.json is damaged'):
      train(trainer(config, split='train[:20]'), tmp_path)
  (tmp_path / 'run.json').unlink()
  with pytest.raises(ValueError, match=r'no run\.json'):
    train(trainer(config, split='train[:20]'), tmp_path)
  assert (tmp_path / 'model.safetensors').read_bytes() == model


def test_a_training_that_diverges_names_its_step_and_writes_no_model(
  tmp_path, trainer
):
  # The first step has the learning rate 0.
  config = dataclasses.replace(CONFIG, learning_rate=1e30)
  with pytest.raises(ValueError, match=r'loss of step 3 is nan.*than 1e\+30'):
    train(trainer(config), tmp_path)
  assert not list(tmp_path.rglob('model.safetensors'))


def test_weights_that_are_not_finite_are_noticed_though_no_loss_shows_it(
  trainer,
):
  runner = trainer()
  state = runner.initial_state()
  state.ema['params']['logits']['bias'] = np.full(10, np.inf)
  with pytest.raises(ValueError, match='weights after step 0 are not finite'):
    runner._check_finite(state, np.ones(1))


def test_one_step_in_all_has_the_whole_learning_rate():
  config = dataclasses.replace(CONFIG, weight_decay=0.0)
  optimizer = make_optimizer(config, 1)
  weights = {'kernel': np.ones((2, 2), np.float32)}
  with jax.numpy_dtype_promotion('standard'):
    updates, _ = optimizer.update(weights, optimizer.init(weights), weights)
  # The first step of Adam is as large as the learning rate.
  np.testing.assert_allclose(
    updates['kernel'], -config.learning_rate, rtol=1e-3
  )


def test_a_run_that_did_not_record_the_datasets_version_is_continued(
  tmp_path, trainer
):
  config = dataclasses.replace(CONFIG, epochs=1)
  train(trainer(config), tmp_path)
  path = tmp_path / 'run.json'
  run = json.loads(path.read_text())
  del run['model']['dataset_version'], run['split']
  path.write_text(json.dumps(run))
  train(trainer(config), tmp_path)
  run['fingerprint'] = '0' * 64  # Another version has another fingerprint.
  path.write_text(json.dumps(run))
  with pytest.raises(ValueError, match='holds another run'):
    train(trainer(config), tmp_path)
