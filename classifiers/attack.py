"""Attacks a classifier and counts the images that it still classifies correctly.

There are five attacks. `white_box` attacks an undefended classifier with its own
gradients. `transfer` attacks a defended classifier with the gradients of its
undefended twin:

  python -m classifiers.attack transfer runs/defended/model.safetensors --twin runs/twin/model.safetensors --dataset cifar10_linac/seed_42 --data_dir D

`square` queries the whole defence and needs no gradients. `pba` and `bpda` train
an imitation of the transform under the key that the attacker has.
`--bypass_dataset` names the dataset under that key, which can be the right key or
another one:

  python -m classifiers.attack square runs/defended/model.safetensors --dataset cifar10_linac/seed_42 --data_dir D --queries 100
  python -m classifiers.attack pba runs/defended/model.safetensors --bypass_dataset cifar10_linac/seed_7 --dataset cifar10_linac/seed_42 --data_dir D
  python -m classifiers.attack bpda runs/defended/model.safetensors --bypass_dataset cifar10_linac/seed_42 --dataset cifar10_linac/seed_42 --data_dir D --steps 8

`--dataset` provides the images and their labels. The result is a line of JSON with
the budget of the attack, the accuracies and their confidence intervals.

The accuracy under attack is apparent robustness only. It is an upper bound, because
other attacks, or larger budgets, may fool the classifier more often;
docs/classifier.md says more.
"""  # noqa: E501  A command to paste is one line.

from __future__ import annotations

if __name__ == '__main__':
  # The imports take seconds. Ctrl-C must print no traceback meanwhile.
  from linac_config import entry

  entry.begin_imports()

import argparse
import sys
import time

from classifiers import command_line, data
from classifiers.attacks import objectives, robustness
from classifiers.attacks.balls import EPSILONS, NORMS, Ball
from classifiers.attacks.bypass import train_bypass
from classifiers.defence.classifier import DefendedClassifier, classifier_of
from classifiers.evaluation.accuracy import check_channels, check_split
from classifiers.evaluation.intervals import accuracy_of
from classifiers.network.model import Model, load_model
from linac_config import config_names, invocation

# Each attack is for a classifier of these inputs; `square` is for any.
_INPUTS = {
  'white_box': 'image',
  'transfer': 'representation',
  'square': None,
  'bpda': 'representation',
  'pba': 'representation',
}


@command_line.prints_result
def main(argv: list[str]) -> dict:
  """Attacks a classifier and returns its accuracy before and under attack."""
  args = _parse(argv)
  ball = Ball(
    args.norm, EPSILONS[args.norm] if args.epsilon is None else args.epsilon
  )
  model = load_model(args.model)
  _check_inputs(args.attack, args.model, model)
  classifier = classifier_of(model)
  split = data.find_split(args.dataset, args.split, args.data_dir)
  check_split(model, split)
  images, labels = split.first_images(args.images)
  start = time.perf_counter()
  attack, budget = _attack(args, model, classifier, ball, split)
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
    'clean': accuracy_of(correct),
    'attacked': accuracy_of(robust),
    'seconds': round(time.perf_counter() - start, 1),
  }


def _check_inputs(attack: str, file: str, model: Model) -> None:
  """Refuses a classifier that an attack is not meant for."""
  expected = _INPUTS[attack]
  if expected and model.spec.inputs != expected:
    raise ValueError(
      f'{file} takes the inputs {model.spec.inputs!r}, but {attack} is for a '
      f'classifier of {expected!r}. Pass another model or another attack.'
    )


def _attack(
  args: argparse.Namespace,
  model: Model,
  classifier: robustness.Classifier,
  ball: Ball,
  split: data.Split,
) -> tuple[robustness.Attack, dict]:
  """Returns the attack that the user has chosen, and its budget."""
  if args.attack == 'square':
    attack = robustness.square_attack(classifier, ball, args.queries, args.seed)
    return attack, {'queries': args.queries}
  attack = robustness.gradient_attack(
    _objective(args, model, split), ball, args.steps, args.restarts, args.seed
  )
  return attack, {'steps': args.steps, 'restarts': args.restarts}


def _objective(
  args: argparse.Namespace, model: Model, split: data.Split
) -> objectives.Objective:
  """Returns the objective of the gradient attack that the user has chosen."""
  if args.attack == 'white_box':
    return objectives.undefended_objective(model)
  if args.attack == 'transfer':
    twin = load_model(args.twin)
    _check_inputs('white_box', args.twin, twin)
    check_split(twin, split)
    return objectives.undefended_objective(twin)
  train, held_out = (
    data.find_split(args.bypass_dataset, name, args.data_dir)
    for name in ('train', 'test')
  )
  check_channels(model, train)
  _check_shape(train, split)
  if args.attack == 'bpda':
    # This fails for a private key, and so comes before the long training.
    _, config = config_names.parse_config_name(
      train.builder.builder_config.name, str(train.builder.version)
    )
  bypass = train_bypass(train, held_out, args.bypass_epochs, args.seed)
  print(
    f'The imitation explains {bypass.explained:.1%} of the variance of the '
    'representations.',
    file=sys.stderr,
  )
  if args.attack == 'pba':
    return objectives.pba_objective(model, bypass)
  return objectives.bpda_objective(DefendedClassifier(model, config), bypass)


def _check_shape(train: data.Split, split: data.Split) -> None:
  """Refuses images that the imitation of a transform cannot take."""
  learned, attacked = (
    s.builder.info.features['image'].shape for s in (train, split)
  )
  if learned != attacked:
    raise ValueError(
      f'The images of {train.builder.info.full_name} have the shape {learned}, '
      f'but those to attack have {attacked}. Pass another --bypass_dataset.'
    )


def _parse(argv: list[str]) -> argparse.Namespace:
  parser = command_line.Parser(
    invocation.command('attack'),
    'Attacks a classifier and counts the images that it still classifies '
    'correctly.',
  )
  parser.add_argument(
    'attack',
    choices=_INPUTS,
    help='white_box and transfer use gradients of an undefended classifier, '
    'square uses logits only, bpda and pba imitate the transform',
  )
  parser.add_argument('model', help='the safetensors file of the classifier')
  command_line.add_dataset_options(
    parser, 'the dataset of the images to attack', split='test'
  )
  parser.add_argument(
    '--norm',
    choices=NORMS,
    default='linf',
    help='the norm of the perturbations (default: %(default)s)',
  )
  parser.add_argument(
    '--epsilon',
    type=float,
    metavar='X',
    help='the largest norm of a perturbation, of images in [0, 1] (default: '
    'linf 8/255, l2 0.5)',
  )
  parser.add_argument(
    '--twin',
    metavar='FILE',
    help='the undefended classifier whose gradients transfer uses',
  )
  parser.add_argument(
    '--bypass_dataset',
    metavar='NAME',
    help="the dataset under the attacker's key, cifar10_linac/CONFIG, for bpda "
    'and pba',
  )
  _add_numbers(parser)
  args = parser.parse_args(argv)
  _check(args)
  return args


def _add_numbers(parser: command_line.Parser) -> None:
  """Adds the options that are integers."""
  for name, default, what in (
    ('images', 100, 'how many images of the split to attack'),
    ('steps', 40, 'the steps of PGD; in bpda, each step fits every image'),
    ('restarts', 1, 'the restarts of PGD'),
    ('queries', 100, 'the queries of square for each image; each is a fit'),
    ('bypass_epochs', 6, 'the epochs of training the imitation'),
    ('seed', 0, 'the seed of starting points, squares and the imitation'),
  ):
    parser.add_argument(
      f'--{name}',
      type=int,
      default=default,
      metavar='N',
      help=f'{what} (default: %(default)s)',
    )


def _check(args: argparse.Namespace) -> None:
  """Refuses options that are out of range or missing."""
  for name in ('images', 'steps', 'restarts', 'queries', 'bypass_epochs'):
    if getattr(args, name) < 1:
      raise ValueError(f'{name}={getattr(args, name)} must be at least 1.')
  if args.attack == 'transfer' and not args.twin:
    raise ValueError('transfer needs --twin, the undefended model.')
  if args.attack in ('bpda', 'pba') and not args.bypass_dataset:
    raise ValueError(
      f"{args.attack} needs --bypass_dataset, a dataset under the attacker's "
      'key.'
    )
  if args.bypass_dataset and not data.is_linac(args.bypass_dataset):
    raise ValueError(
      f'bypass_dataset={args.bypass_dataset!r} must be a cifar10_linac/CONFIG.'
    )


if __name__ == '__main__':
  entry.end_imports()
  sys.exit(main(sys.argv[1:]))
