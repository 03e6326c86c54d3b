"""Attacks a classifier and tells how many images it still gets right.

Without the defence's key or gradients, by way of its undefended twin:

  python -m classifiers.attack transfer runs/defended/model.safetensors --twin runs/twin/model.safetensors --dataset cifar10_linac/seed_42 --data_dir D

By asking the whole defence, or by an imitation of the transform under the key that
the attacker has, which --bypass_dataset names: the right one, or another:

  python -m classifiers.attack square runs/defended/model.safetensors --dataset cifar10_linac/seed_42 --data_dir D --queries 100
  python -m classifiers.attack pba runs/defended/model.safetensors --bypass_dataset cifar10_linac/seed_7 --dataset cifar10_linac/seed_42 --data_dir D
  python -m classifiers.attack bpda runs/defended/model.safetensors --bypass_dataset cifar10_linac/seed_42 --dataset cifar10_linac/seed_42 --data_dir D --steps 8

--dataset gives images and labels. `white_box` attacks an undefended model, such
as the twin. A line of JSON has the budget, and the accuracy with its interval.
What withstood *these* attacks at *these* budgets may fall to others: the accuracy
is apparent robustness, an upper bound of robustness, see docs/classifier.md.
"""  # noqa: E501  A command to paste is one line.

from __future__ import annotations

import sys
import time

import numpy as np

from classifiers import command_line, data
from classifiers.attacks import bypass, robustness
from classifiers.attacks.balls import NORMS, Ball
from classifiers.attacks.pgd import Objective, objective_of
from classifiers.defence.classifier import DefendedClassifier, classifier_of
from classifiers.evaluation import intervals
from classifiers.network.model import Model, load_model
from linac_config import config_names

ATTACKS = ('white_box', 'transfer', 'square', 'bpda', 'pba')
EPSILONS = {'linf': 8 / 255, 'l2': 0.5}


def undefended_objective(model: Model) -> Objective:
  """The loss of a model of images."""
  return objective_of(lambda x: model.logits(bypass.standardised(x)))


def load_images(split: data.Split, count: int) -> tuple[np.ndarray, np.ndarray]:
  """The first images of a split and their labels."""
  images, labels = next(split.batches('image', min(count, split.count)))
  return images, labels


def _objective(args, model: Model) -> Objective:
  """What `args.attack` ascends."""
  if args.attack == 'white_box':
    return undefended_objective(model)
  if args.attack == 'transfer':
    twin = load_model(args.twin)
    _check_inputs('white_box', args.twin, twin)
    return undefended_objective(twin)
  train, held_out = (
    data.find_split(args.bypass_dataset, split, args.data_dir)
    for split in ('train', 'test')
  )
  if args.attack == 'bpda':  # A private config's name says nothing.
    name = train.builder.builder_config.name
    _, config = config_names.parse_config_name(name)
  imitation = bypass.train_bypass(
    train, held_out, args.bypass_epochs, args.seed
  )
  print(f'bypass explains {imitation.explained:.1%}', file=sys.stderr)
  if args.attack == 'pba':
    return bypass.pba_objective(model, imitation)
  return bypass.bpda_objective(DefendedClassifier(model, config), imitation)


def _check_inputs(attack: str, file: str, model: Model) -> None:
  """Refuses a classifier that an attack is not for."""
  needed = {'white_box': 'image', 'pba': 'representation'}
  needed |= {'bpda': 'representation', 'transfer': 'representation'}
  inputs = needed.get(attack, model.spec.inputs)
  if model.spec.inputs != inputs:
    raise ValueError(
      f'{file} takes the inputs {model.spec.inputs!r}; {attack} is for a '
      f'classifier of {inputs!r}.'
    )


def main(argv: list[str]) -> dict:
  args = _parse(argv)
  epsilon = EPSILONS[args.norm] if args.epsilon is None else args.epsilon
  ball = Ball(args.norm, epsilon)
  model = load_model(args.model)
  _check_inputs(args.attack, args.model, model)
  classifier = classifier_of(model)
  split = data.find_split(args.dataset, args.split, args.data_dir)
  from linac_tfds import quiet_tensorflow  # noqa: F401  It takes seconds.

  images, labels = load_images(split, args.images)
  start = time.perf_counter()
  if args.attack == 'square':
    attack = robustness.square_attack(classifier, ball, args.queries, args.seed)
    budget = {'queries': args.queries}
  else:
    attack = robustness.gradient_attack(
      _objective(args, model), ball, args.steps, args.restarts, args.seed
    )
    budget = {'steps': args.steps, 'restarts': args.restarts}
  correct = classifier(images).argmax(axis=1) == labels
  robust = robustness.withstood(
    classifier, images, labels, correct, attack, progress=args.attack
  )
  return {
    'attack': args.attack,
    'model': args.model,
    'config_name': model.spec.config_name,
    'bypass_dataset': args.bypass_dataset,
    'norm': ball.norm,
    'epsilon': round(ball.epsilon, 6),
    **budget,
    'clean': intervals.accuracy_of(correct),
    'attacked': intervals.accuracy_of(robust),
    'seconds': round(time.perf_counter() - start, 1),
  }


def _parse(argv: list[str]):
  parser = command_line.Parser('attack', 'Attacks a classifier.')
  parser.add_argument('attack', choices=ATTACKS)
  parser.add_argument('model', help='a safetensors file of this package')
  parser.add_argument(
    '--dataset', required=True, metavar='NAME', help='of images and labels'
  )
  parser.add_argument('--split', default='test', help='default: %(default)s')
  parser.add_argument(
    '--data_dir',
    metavar='DIR',
    help="TFDS's data folder (default: ~/tensorflow_datasets)",
  )
  parser.add_argument('--norm', choices=NORMS, default='linf')
  parser.add_argument(
    '--epsilon',
    type=float,
    metavar='X',
    help='of images in [0, 1] (default: linf 8/255, l2 0.5)',
  )
  parser.add_argument(
    '--twin', metavar='FILE', help='of transfer: the undefended model'
  )
  parser.add_argument(
    '--bypass_dataset',
    metavar='NAME',
    help="of bpda and pba: cifar10_linac/CONFIG under the attacker's key",
  )
  for name, default, what in (
    ('images', 100, 'the first N of the split'),
    ('steps', 40, 'of PGD; in bpda each is a fit of every image'),
    ('restarts', 1, 'of PGD'),
    ('queries', 100, 'of square, for each image; each is a fit'),
    ('bypass_epochs', 6, 'of training the imitation'),
    ('seed', 0, 'of starts, squares and imitation'),
  ):
    parser.add_argument(
      f'--{name}',
      type=int,
      default=default,
      metavar='N',
      help=f'{what} (default: %(default)s)',
    )
  args = parser.parse_args(argv)
  _check(args)
  return args


def _check(args) -> None:
  for name in ('images', 'steps', 'restarts', 'queries', 'bypass_epochs'):
    if getattr(args, name) < 1:
      raise ValueError(f'{name}={getattr(args, name)} must be at least 1.')
  if args.attack == 'transfer' and not args.twin:
    raise ValueError('transfer needs --twin, the undefended model.')
  if args.attack in ('bpda', 'pba') and not args.bypass_dataset:
    raise ValueError(
      f"{args.attack} needs --bypass_dataset, of the attacker's key."
    )
  if args.bypass_dataset and not data.is_linac(args.bypass_dataset):
    raise ValueError(
      f'bypass_dataset={args.bypass_dataset!r} must be a cifar10_linac/CONFIG.'
    )


if __name__ == '__main__':
  sys.exit(command_line.run(main, sys.argv[1:]))
