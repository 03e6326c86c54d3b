"""Measures the accuracy of the CPU-sized pair with and without attacks.

  python -m pipelines.build --source cifar10 --source_data_dir S --data_dir D --seed 42
  python -m pipelines.build --source cifar10 --source_data_dir S --data_dir D --seed 7
  python -m benchmarks.robustness --data_dir D --out_dir runs

The benchmark trains a defended classifier (key 42) and its undefended twin with
the preset `cpu`, unless the folder `runs` holds them, and attacks both. 42 is
the right key; 7 is a wrong one that an attacker guessed. The output is a table
in Markdown, and a line of JSON with every cell.
"""  # noqa: E501  A command to paste is one line.

from __future__ import annotations

import dataclasses
import pathlib
import sys
import time

import jax
import numpy as np

from classifiers import DefendedClassifier, command_line, data
from classifiers.attacks import objectives
from classifiers.attacks.balls import EPSILONS, Ball
from classifiers.attacks.bypass import train_bypass
from classifiers.attacks.robustness import (
  gradient_attack,
  square_attack,
  withstood,
)
from classifiers.defence.classifier import UndefendedClassifier
from classifiers.evaluation import intervals
from classifiers.network.model import load_model
from classifiers.training.config import PRESETS
from classifiers.training.run import model_file, train
from classifiers.training.trainer import Trainer
from transforms import LinacConfig

RIGHT, WRONG = 42, 7
SEED = 0


@dataclasses.dataclass
class Lab:
  """Classifiers and images to attack, and the results so far.

  Attributes:
    classifiers: The classifiers by name, `defended` and `undefended`.
    images: The original images.
    labels: The labels of the images.
    correct: A boolean array per classifier: whether it classifies each original
      image correctly.
    cells: The cells of the table, as JSON.
    survivors: A boolean array per norm: whether the defence withstood all
      attacks so far on each image.
  """

  classifiers: dict
  images: np.ndarray
  labels: np.ndarray
  correct: dict
  cells: list
  survivors: dict

  def try_attack(self, name, key, target, ball, budget, attack) -> None:
    """Attacks one classifier in one norm and adds the cell to the table."""
    start = time.perf_counter()
    robust = withstood(
      self.classifiers[target],
      self.images,
      self.labels,
      self.correct[target],
      attack,
      progress=f'{name} {key} {ball.norm} {target}',
    )
    if target == 'defended':
      self.survivors[ball.norm] &= robust
    self.add(name, key, target, ball.norm, budget, robust, start)

  def add(self, name, key, target, norm, budget, robust, start) -> None:
    """Adds a cell to the table."""
    self.cells.append(
      {
        'attack': name,
        'key': key,
        'classifier': target,
        'norm': norm,
        'budget': budget,
        **intervals.accuracy_of(robust),
        'seconds': round(time.perf_counter() - start, 1),
      }
    )


def load_pair(data_dir: str, out_dir: pathlib.Path) -> dict:
  """Loads both classifiers; first trains those that are missing."""
  split = data.find_split(f'cifar10_linac/seed_{RIGHT}', 'train', data_dir)
  models = {}
  for name, inputs in (('defended', 'representation'), ('undefended', 'image')):
    trainer = Trainer(PRESETS['cpu'], split, inputs)
    train(trainer, out_dir / name, progress=True)
    models[name] = load_model(model_file(out_dir / name))
  return {
    'defended': DefendedClassifier(models['defended']),
    'undefended': UndefendedClassifier(models['undefended']),
  }


def attack_all(lab: Lab, bypasses: dict, args) -> None:
  """Runs all attacks and fills the table."""
  defended, undefended = (
    lab.classifiers[name] for name in ('defended', 'undefended')
  )
  twin = objectives.undefended_objective(undefended.model)
  for norm, epsilon in EPSILONS.items():
    ball = Ball(norm, epsilon)
    pgd = lambda objective, steps, ball=ball: gradient_attack(  # noqa: E731
      objective, ball, steps, restarts=1, seed=SEED
    )
    budget = f'{args.steps} steps'
    for name, target in (('white-box', 'undefended'), ('transfer', 'defended')):
      lab.try_attack(
        f'PGD on the twin, {name}', 'none', target, ball, budget,
        pgd(twin, args.steps),
      )  # fmt: skip
    for target, classifier in lab.classifiers.items():
      lab.try_attack(
        'Square', 'none', target, ball, f'{args.queries} queries',
        square_attack(classifier, ball, args.queries, SEED),
      )  # fmt: skip
    for key, imitation in bypasses.items():
      lab.try_attack(
        'PBA', str(key), 'defended', ball, budget,
        pgd(objectives.pba_objective(defended.model, imitation), args.steps),
      )  # fmt: skip
      attacker = DefendedClassifier(defended.model, LinacConfig(seed=key))
      lab.try_attack(
        'BPDA', str(key), 'defended', ball, f'{args.bpda_steps} steps',
        pgd(objectives.bpda_objective(attacker, imitation), args.bpda_steps),
      )  # fmt: skip
    lab.add(
      'all of them', 'any', 'defended', norm, 'together',
      lab.survivors[norm], time.perf_counter(),
    )  # fmt: skip


def markdown(cells: list) -> str:
  """Returns the table, with a row for each attack, key and classifier."""
  lines = [
    "| attack | attacker's key | on | budget | Linf 8/255 | L2 0.5 |",
    '|---|---|---|---|---|---|',
  ]
  rows = {}
  for cell in cells:
    row = tuple(cell[k] for k in ('attack', 'key', 'classifier', 'budget'))
    low, high = cell['interval_95']
    rows.setdefault(row, []).append(
      f'{cell["accuracy"]:.1%} ({low:.0%} to {high:.0%})'
    )
  lines += [f'| {" | ".join([*row, *found])} |' for row, found in rows.items()]
  return '\n'.join(lines)


@command_line.prints_result
def main(argv: list[str]) -> dict:
  parser = command_line.Parser(
    'python -m benchmarks.robustness', 'Attacks the CPU-sized pair.'
  )
  parser.add_argument('--data_dir', required=True)
  parser.add_argument('--out_dir', required=True, type=pathlib.Path)
  for name, default in (
    ('images', 60),
    ('steps', 40),
    ('bpda_steps', 5),
    ('queries', 40),
    ('bypass_epochs', 4),
  ):
    parser.add_argument(f'--{name}', type=int, default=default, metavar='N')
  args = parser.parse_args(argv)

  start = time.perf_counter()
  classifiers = load_pair(args.data_dir, args.out_dir)
  trained = time.perf_counter()
  bypasses = {
    key: train_bypass(
      *(
        data.find_split(f'cifar10_linac/seed_{key}', split, args.data_dir)
        for split in ('train', 'test')
      ),
      epochs=args.bypass_epochs,
      seed=SEED,
    )
    for key in (RIGHT, WRONG)
  }
  imitated = time.perf_counter()
  test = data.find_split(f'cifar10_linac/seed_{RIGHT}', 'test', args.data_dir)
  images, labels = test.first_images(args.images)
  correct = {
    name: classifier(images).argmax(axis=1) == labels
    for name, classifier in classifiers.items()
  }
  survivors = {norm: correct['defended'].copy() for norm in EPSILONS}
  lab = Lab(classifiers, images, labels, correct, [], survivors)
  for target in classifiers:
    for norm in EPSILONS:
      lab.add('none', 'none', target, norm, '', correct[target], imitated)
  attack_all(lab, bypasses, args)
  print(markdown(lab.cells))
  return {
    'benchmark': 'robustness',
    'explained': {k: round(b.explained, 3) for k, b in bypasses.items()},
    'train_s': round(trained - start),
    'bypass_s': round(imitated - trained),
    'attack_s': round(time.perf_counter() - imitated),
    'process_s': round(time.process_time()),
    'device': jax.devices()[0].device_kind,
    'cells': lab.cells,
  }


if __name__ == '__main__':
  sys.exit(main(sys.argv[1:]))
