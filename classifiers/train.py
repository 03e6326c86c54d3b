"""Trains a WideResNet on `cifar10_linac`, or its undefended counterpart.

These two commands train on two CPU cores; on 2,000 images each takes minutes:

  python -m classifiers.train --dataset cifar10_linac/seed_42 --data_dir D --out_dir runs/defended
  python -m classifiers.train --dataset cifar10_linac/seed_42 --data_dir D --out_dir runs/twin --inputs image

The first one trains on representations. The second one trains the twin, which is
the same network on the images of the same examples. This command trains a
WideResNet-28-10 on all of CIFAR-10 on a GPU (with `--depth=70 --width=16` it has
the size of the published one):

  python -m classifiers.train --preset gpu --dataset cifar10_linac/seed_42 --data_dir D --out_dir runs/full

A checkpoint is written after each epoch. The same command continues from the last
checkpoint and gives the same numbers. The result, OUT_DIR/model.safetensors, has
the averaged weights; `classifiers.evaluate` reads it. No file that is written
holds a key: a config with a private key is identified by its name.
"""  # noqa: E501  A command to paste is one line.

from __future__ import annotations

if __name__ == '__main__':
  # The imports take seconds. Ctrl-C must print no traceback meanwhile.
  from linac_config import entry

  entry.begin_imports()

import argparse
import dataclasses
import functools
import pathlib
import sys
import time

import jax

from classifiers import command_line, data
from classifiers.network.model import INPUTS
from classifiers.training.config import PRESETS, TrainConfig
from classifiers.training.run import model_file, train
from classifiers.training.trainer import Trainer
from linac_config import invocation, paths

# Each field of TrainConfig is an option with this text in --help.
_OPTIONS = {
  'depth': 'the depth of the WideResNet, 6n + 4',
  'width': 'the width factor of the WideResNet',
  'epochs': 'the number of passes over the examples',
  'batch_size': 'the number of examples per step',
  'learning_rate': 'the largest learning rate of AdamW',
  'weight_decay': 'the weight decay of AdamW',
  'ema_decay': 'the decay rate of the moving average of the weights',
  'mixup': 'whether to mix examples in pairs',
  'seed': 'the seed of weights, order and mixup',
}


@command_line.prints_result
def main(argv: list[str]) -> dict:
  """Trains a classifier and returns how it was trained."""
  args = _parse(argv)
  config = _config(args)
  out_dir = pathlib.Path(paths.absolute(args.out_dir))
  if reason := paths.why_not_writable(out_dir):
    raise ValueError(
      f'{out_dir} cannot be written: {reason}. Pass another --out_dir.'
    )
  split = data.find_split(args.dataset, args.split, args.data_dir)
  trainer = Trainer(config, split, args.inputs)
  start = time.perf_counter()
  state, losses = train(trainer, out_dir, progress=True)
  return {
    'model': str(model_file(out_dir)),
    'config_name': trainer.spec.config_name,
    'inputs': args.inputs,
    'examples': split.count,
    'steps': int(state.step),
    'training': dataclasses.asdict(config),
    'losses': [round(loss, 4) for loss in losses],
    'seconds': round(time.perf_counter() - start, 1),
    'device': jax.devices()[0].device_kind,
  }


def _parse(argv: list[str]) -> argparse.Namespace:
  parser = command_line.Parser(
    invocation.command('train'),
    'Trains a classifier, or continues a training that was stopped.',
  )
  command_line.add_dataset_options(
    parser, 'the dataset to train on, cifar10_linac/CONFIG', split='train'
  )
  parser.add_argument(
    '--out_dir',
    required=True,
    metavar='DIR',
    help='the folder to write checkpoints and the model to',
  )
  parser.add_argument(
    '--inputs',
    choices=INPUTS,
    default='representation',
    help='the feature to train on; image trains the undefended twin (default: '
    '%(default)s)',
  )
  parser.add_argument(
    '--preset',
    choices=PRESETS,
    default='cpu',
    help='the set of defaults for the options below (default: %(default)s)',
  )
  for field in dataclasses.fields(TrainConfig):
    defaults = ', '.join(
      f'{name} {getattr(preset, field.name)}'
      for name, preset in PRESETS.items()
    )
    parser.add_argument(
      f'--{field.name}',
      type=functools.partial(_value, type(field.default)),
      metavar='X',
      help=f'{_OPTIONS[field.name]} (default: {defaults})',
    )
  args = parser.parse_args(argv)
  if not data.is_linac(args.dataset):
    raise ValueError(
      f'dataset={args.dataset!r} must be a cifar10_linac/CONFIG; to train on '
      'its images, add --inputs=image.'
    )
  return args


def _value(kind: type, text: str):
  """Converts the text of an option to the type of its field."""
  try:
    return (
      {'true': True, 'false': False}[text.lower()]
      if kind is bool
      else kind(text)
    )
  except (KeyError, ValueError):
    expected = {bool: 'True or False', int: 'an integer', float: 'a number'}
    # argparse shows no message of a ValueError.
    raise argparse.ArgumentTypeError(
      f'{text!r} must be {expected[kind]}.'
    ) from None


def _config(args: argparse.Namespace) -> TrainConfig:
  """Returns the preset with the fields that the user has set."""
  chosen = {name: getattr(args, name) for name in _OPTIONS}
  return dataclasses.replace(
    PRESETS[args.preset],
    **{name: value for name, value in chosen.items() if value is not None},
  )


if __name__ == '__main__':
  entry.end_imports()
  sys.exit(main(sys.argv[1:]))
