"""The command that attacks runs on tiny datasets and classifiers."""

import pytest

from classifiers import attack, save_model
from tests.classifiers.conftest import TINY, CommandError


@pytest.fixture
def run(run_command, tmp_path, tiny_dir, random_model):
  """A function that runs the command on models of random numbers."""
  save_model(tmp_path / 'twin', random_model(3, 'image', TINY.name))
  save_model(
    tmp_path / 'defended', random_model(8, 'representation', TINY.name)
  )

  def call(name, model, *options):
    return run_command(
      attack.main,
      name,
      str(tmp_path / model),
      f'--dataset=cifar10_linac/{TINY.name}',
      f'--data_dir={tiny_dir}',
      '--split=train',
      f'--twin={tmp_path / "twin"}',
      f'--bypass_dataset=cifar10_linac/{TINY.name}',
      *options,
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
def test_bad_options_are_refused(run_command, options, message):
  with pytest.raises(CommandError, match=message):
    run_command(attack.main, *options)


@pytest.mark.parametrize(
  ('name', 'model'),
  [('white_box', 'defended'), ('pba', 'twin'), ('bpda', 'twin')],
)
def test_an_attack_on_another_kind_of_classifier_is_refused(run, name, model):
  with pytest.raises(CommandError, match=f'takes the inputs .*{name} is for'):
    run(name, model)


def test_a_twin_of_other_classes_is_refused(run, tmp_path, random_model):
  save_model(tmp_path / 'other', random_model(3, num_classes=7))
  with pytest.raises(CommandError, match='has 7 classes'):
    run('transfer', 'defended', f'--twin={tmp_path / "other"}')


def test_no_distance_is_not_the_usual_distance(run):
  with pytest.raises(CommandError, match='0'):
    run('square', 'twin', '--epsilon=0')
