"""Trains a WideResNet on `cifar10_linac`, or its undefended twin.

On two CPU cores, 2,000 images, in minutes:

  python -m classifiers.train --dataset cifar10_linac/seed_42 --data_dir D --out_dir runs/defended
  python -m classifiers.train --dataset cifar10_linac/seed_42 --data_dir D --out_dir runs/twin --inputs image

On a GPU, all of CIFAR-10 (a WideResNet-28-10; --depth=70 --width=16 is the
published one's size):

  python -m classifiers.train --preset gpu --dataset cifar10_linac/seed_42 --data_dir D --out_dir runs/full

The twin sees the images of the same examples. A checkpoint is written after each
epoch; the same command goes on from the last one, to the same numbers. The result
is OUT_DIR/model.safetensors, with averaged weights, for `classifiers.evaluate`.
Neither file holds a key: a private config is known by its name.
"""  # noqa: E501  A command to paste is one line.

from __future__ import annotations

import dataclasses
import functools
import json
import os
import pathlib
import sys
import time

import jax
import orbax.checkpoint as ocp
from tqdm import tqdm

from classifiers import command_line, data
from classifiers.network.model import INPUTS, save_model
from classifiers.training.trainer import (
  PRESETS,
  TrainConfig,
  Trainer,
  TrainState,
)

_RUN = 'run.json'


def train(trainer: Trainer, out_dir: pathlib.Path, progress: bool = False):
  """Trains to the end, from the last checkpoint in `out_dir` if there is one.

  Args:
    trainer: of the classifier.
    out_dir: gets the checkpoints and `model.safetensors`.
    progress: whether to show a bar.

  Returns:
    The final state, and the mean loss of each epoch of this call.

  Raises:
    ValueError: if the folder holds another run.
  """
  _claim(trainer, out_dir)
  losses = []
  options = ocp.CheckpointManagerOptions(max_to_keep=1)
  with ocp.CheckpointManager(
    (out_dir / 'checkpoints').absolute(), options=options
  ) as manager:
    state = _restored(trainer, manager)
    total = trainer.config.epochs * trainer.steps_per_epoch
    bar = tqdm(
      total=total, initial=int(state.step), unit=' steps', disable=not progress
    )
    while int(state.step) < total:
      state, loss = trainer.epoch(state, on_step=bar.update)
      losses.append(loss)
      bar.set_postfix(loss=f'{losses[-1]:.3f}')
      manager.save(int(state.step), args=ocp.args.StandardSave(state))
    bar.close()
  save_model(out_dir / 'model.safetensors', trainer.model(state))
  return state, losses


def _restored(trainer: Trainer, manager: ocp.CheckpointManager) -> TrainState:
  state = trainer.initial_state()
  step = manager.latest_step()
  if step is None:
    return state
  return manager.restore(step, args=ocp.args.StandardRestore(state))


def _claim(trainer: Trainer, out_dir: pathlib.Path) -> None:
  """Writes what the folder is for, or compares it."""
  wanted = {
    'model': dataclasses.asdict(trainer.spec),
    'training': dataclasses.asdict(trainer.config),
    'examples': trainer.split.count,
    'fingerprint': trainer.split.builder.info.metadata['fingerprint'],
  }
  out_dir.mkdir(parents=True, exist_ok=True)
  path = out_dir / _RUN
  if not path.exists():
    temporary = path.with_suffix('.tmp')
    temporary.write_text(json.dumps(wanted, indent=2))
    os.replace(temporary, path)
    return
  found = json.loads(path.read_text())
  if found != wanted:
    raise ValueError(
      f'{out_dir} holds another run:\n{found}\ninstead of\n{wanted}\n'
      'Choose another --out_dir, or delete it.'
    )


def main(argv: list[str]) -> dict:
  args = _parse(argv)
  config = dataclasses.replace(
    PRESETS[args.preset],
    **{
      field.name: value
      for field in dataclasses.fields(TrainConfig)
      if (value := getattr(args, field.name)) is not None
    },
  )
  if not data.is_linac(args.dataset):
    raise ValueError(
      f'dataset={args.dataset!r} must be a cifar10_linac/CONFIG; '
      '--inputs=image takes its images.'
    )
  split = data.find_split(args.dataset, args.split, args.data_dir)
  trainer = Trainer(config, split, args.inputs)
  from linac_tfds import quiet_tensorflow  # noqa: F401  It takes seconds.

  out_dir = pathlib.Path(args.out_dir).expanduser()
  start = time.perf_counter()
  state, losses = train(trainer, out_dir, progress=True)
  return {
    'model': str(out_dir / 'model.safetensors'),
    'config_name': trainer.spec.config_name,
    'inputs': args.inputs,
    'examples': split.count,
    'steps': int(state.step),
    'training': dataclasses.asdict(config),
    'losses': [round(loss, 4) for loss in losses],
    'seconds': round(time.perf_counter() - start, 1),
    'device': jax.devices()[0].device_kind,
  }


def _parse(argv: list[str]):
  parser = command_line.Parser(
    'train', 'Trains a classifier, or goes on where it stopped.'
  )
  parser.add_argument(
    '--dataset', required=True, metavar='NAME', help='cifar10_linac/CONFIG'
  )
  parser.add_argument(
    '--out_dir', required=True, metavar='DIR', help='of checkpoints and model'
  )
  parser.add_argument(
    '--data_dir',
    metavar='DIR',
    help="TFDS's data folder (default: ~/tensorflow_datasets)",
  )
  parser.add_argument('--split', default='train', help='default: %(default)s')
  parser.add_argument(
    '--inputs',
    choices=INPUTS,
    default='representation',
    help='image trains the undefended twin (default: %(default)s)',
  )
  parser.add_argument(
    '--preset',
    choices=PRESETS,
    default='cpu',
    help='what the options below default to (default: %(default)s)',
  )
  for field in dataclasses.fields(TrainConfig):
    defaults = ', '.join(
      f'{name} {getattr(preset, field.name)}'
      for name, preset in PRESETS.items()
    )
    parser.add_argument(
      f'--{field.name}',
      type=functools.partial(_value, field.name, type(field.default)),
      metavar='X',
      help=f'default: {defaults}',
    )
  return parser.parse_args(argv)


def _value(name: str, kind: type, text: str):
  try:
    return (
      {'true': True, 'false': False}[text.lower()]
      if kind is bool
      else kind(text)
    )
  except (KeyError, ValueError):
    raise ValueError(f'{name}={text!r} is no {kind.__name__}.') from None


if __name__ == '__main__':
  sys.exit(command_line.run(main, sys.argv[1:]))
