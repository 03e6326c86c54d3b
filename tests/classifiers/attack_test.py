"""The command line of attacks, on tiny datasets and classifiers."""

import numpy as np
import pytest

from classifiers import attack, save_model
from classifiers.attacks.balls import Ball
from classifiers.attacks.robustness import (
  gradient_attack,
  square_attack,
  withstood,
)
from classifiers.defence.classifier import classifier_of
from tests.classifiers.conftest import TINY


@pytest.fixture
def run(tmp_path, tiny_dir, random_model):
  save_model(tmp_path / 'twin', random_model(3, 'image', TINY.name))
  save_model(
    tmp_path / 'defended', random_model(8, 'representation', TINY.name)
  )

  def call(name, model, *options):
    return attack.main(
      [
        name,
        str(tmp_path / model),
        f'--dataset=cifar10_linac/{TINY.name}',
        f'--data_dir={tiny_dir}',
        '--split=train',
        f'--twin={tmp_path / "twin"}',
        f'--bypass_dataset=cifar10_linac/{TINY.name}',
        *options,
      ]
    )

  return call


@pytest.mark.parametrize(
  ('name', 'model', 'norm'),
  [
    ('white_box', 'twin', 'l2'),
    ('transfer', 'defended', 'linf'),
    ('square', 'defended', 'l2'),
    ('bpda', 'defended', 'linf'),
    ('pba', 'defended', 'l2'),
  ],
)
def test_every_attack_runs(run, name, model, norm):
  line = run(
    name,
    model,
    f'--norm={norm}',
    '--images=12',
    '--steps=2',
    '--queries=5',
    '--bypass_epochs=1',
  )
  assert line['attacked']['correct'] <= line['clean']['correct']
  assert line['epsilon'] == pytest.approx(
    {'linf': 8 / 255, 'l2': 0.5}[norm], 1e-4
  )
  assert line['config_name'] == TINY.name


def test_a_white_box_attack_fools_a_network(random_model):
  model = random_model(3)
  images = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), np.uint8)
  classifier = classifier_of(model)
  # What it says of the originals is taken for right.
  labels = classifier(images).argmax(axis=1)
  pgd = gradient_attack(
    attack.undefended_objective(model), Ball('linf', 8 / 255), 10, 1, seed=0
  )
  correct = np.ones(8, bool)
  assert not withstood(classifier, images, labels, correct, pgd).any()


@pytest.mark.parametrize(
  ('options', 'message'),
  [
    (['transfer', 'm', '--dataset=d'], '--twin'),
    (['pba', 'm', '--dataset=d'], '--bypass_dataset'),
    (['square', 'm', '--dataset=d', '--queries=0'], 'queries=0'),
    (['pba', 'm', '--dataset=d', '--bypass_dataset=d'], "bypass_dataset='d'"),
    (['square', 'm'], '--dataset'),
    (['autoattack', 'm', '--dataset=d'], 'autoattack'),
    (['square', 'm', '--dataset=d', '--query=1'], '--query'),
  ],
)
def test_bad_options_are_refused(options, message):
  with pytest.raises(ValueError, match=message):
    attack.main(options)


@pytest.mark.parametrize(
  ('name', 'model'),
  [('white_box', 'defended'), ('pba', 'twin'), ('bpda', 'twin')],
)
def test_an_attack_on_another_kind_of_classifier_is_refused(run, name, model):
  with pytest.raises(ValueError, match=f'takes the inputs .*{name} is for'):
    run(name, model)


def test_no_distance_is_not_the_usual_distance(run):
  with pytest.raises(ValueError, match='0'):
    run('square', 'twin', '--epsilon=0')


def test_only_images_that_were_right_are_attacked_and_counted():
  images = np.arange(6, dtype=np.uint8).reshape(6, 1, 1, 1)
  labels = np.array([0, 0, 0, 0, 1, 1])
  seen = []

  def classifier(x):  # Says 1 from 3 on.
    return np.eye(2)[(x[:, 0, 0, 0] >= 3).astype(int)]

  def add_one(x, y):
    seen.extend(x[:, 0, 0, 0])
    return x + np.uint8(1)

  correct = classifier(images).argmax(1) == labels
  robust = withstood(classifier, images, labels, correct, add_one)
  assert seen == [0, 1, 2, 4, 5]
  np.testing.assert_array_equal(robust, [1, 1, 0, 0, 1, 1])


def test_a_classifier_that_is_never_wrong_withstands_all():
  images = np.full((2, 4, 4, 3), 100, np.uint8)
  always = lambda x: np.tile([1.0, 0.0], (len(x), 1))  # noqa: E731
  labels = np.zeros(2, int)
  found = square_attack(always, Ball('linf', 8 / 255), 3, seed=0)
  robust = withstood(always, images, labels, np.ones(2, bool), found)
  assert robust.all()
