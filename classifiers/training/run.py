"""A training run in a folder, which can stop after any epoch and continue."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib

import orbax.checkpoint as ocp
from tqdm import tqdm

from classifiers.network.model import save_model
from classifiers.training.step import TrainState
from classifiers.training.trainer import Trainer

_DESCRIPTION = 'run.json'
_MODEL = 'model.safetensors'
_CHECKPOINTS = 'checkpoints'


def model_file(out_dir: pathlib.Path) -> pathlib.Path:
  """Returns the path of the classifier that a run in `out_dir` writes."""
  return out_dir / _MODEL


def train(
  trainer: Trainer, out_dir: pathlib.Path, progress: bool = False
) -> tuple[TrainState, list[float]]:
  """Trains a classifier to the end and writes it to `model_file(out_dir)`.

  A checkpoint is written after each epoch. If the folder has one, the training
  continues from it.

  Args:
    trainer: The trainer of the classifier.
    out_dir: The folder of the run.
    progress: Whether to show a progress bar.

  Returns:
    The final state, and the mean loss of each epoch that this call has run.

  Raises:
    ValueError: If the folder belongs to a run with other settings, or the
      training diverges.
  """
  _claim(trainer, out_dir)
  losses = []
  options = ocp.CheckpointManagerOptions(max_to_keep=1)
  with ocp.CheckpointManager(
    (out_dir / _CHECKPOINTS).absolute(), options=options
  ) as manager:
    state = _latest_state(trainer, manager)
    total = trainer.config.epochs * trainer.steps_per_epoch
    with tqdm(
      total=total, initial=int(state.step), unit=' steps', disable=not progress
    ) as bar:
      while int(state.step) < total:
        state, loss = trainer.epoch(state, on_step=bar.update)
        losses.append(loss)
        bar.set_postfix(loss=f'{losses[-1]:.3f}')
        manager.save(int(state.step), args=ocp.args.StandardSave(state))
  save_model(model_file(out_dir), trainer.model(state))
  return state, losses


def _latest_state(
  trainer: Trainer, manager: ocp.CheckpointManager
) -> TrainState:
  """Returns the state in the last checkpoint, or the initial one.

  Raises:
    ValueError: If the checkpoint cannot be restored; the message names it.
  """
  state = trainer.initial_state()
  step = manager.latest_step()
  if step is None:
    return state
  try:
    return manager.restore(step, args=ocp.args.StandardRestore(state))
  except Exception as error:  # Orbax and its libraries raise many classes.
    folder = manager.directory / str(step)
    raise ValueError(
      f'The checkpoint {folder} cannot be restored: {type(error).__name__}: '
      f'{error}. If it is damaged, choose another --out_dir.'
    ) from error


def _claim(trainer: Trainer, out_dir: pathlib.Path) -> None:
  """Describes the run in its folder, or checks the description there."""
  wanted = {
    'model': dataclasses.asdict(trainer.spec),
    'training': dataclasses.asdict(trainer.config),
    'split': trainer.split.name,
    'examples': trainer.split.count,
    'fingerprint': trainer.split.fingerprint,
  }
  out_dir.mkdir(parents=True, exist_ok=True)
  path = out_dir / _DESCRIPTION
  if path.exists():
    found = _read_description(path, trainer.spec.dataset_version)
    if found != wanted:
      raise ValueError(
        f'{out_dir} holds another run:\n{found}\ninstead of\n{wanted}\n'
        'Choose another --out_dir, or delete this one.'
      )
    return
  for name in (_MODEL, _CHECKPOINTS):
    if (out_dir / name).exists():
      raise ValueError(
        f'{out_dir} holds {name} but no {_DESCRIPTION}, which would say of '
        'which run it is. Choose another --out_dir.'
      )
  temporary = path.with_suffix('.tmp')
  text = json.dumps(wanted, indent=2, allow_nan=False)
  temporary.write_text(text, encoding='utf-8')
  os.replace(temporary, path)


def _read_description(path: pathlib.Path, version: str) -> dict:
  """Reads the description of a run.

  Args:
    path: The path of the description.
    version: The dataset's version for a description that has none. Older code
      did not record it, but the fingerprint depends on it.

  Raises:
    ValueError: If the file holds no description; the message names it.
  """
  try:
    found = json.loads(path.read_text(encoding='utf-8'))
    found['model'] = {'dataset_version': version} | found['model']
    # Older code recorded no split; this one is the default of the command.
    return {'split': 'train'} | found
  except (
    KeyError,
    RecursionError,  # The file is nested too deeply.
    TypeError,
    ValueError,
  ) as error:
    raise ValueError(
      f'{path} is damaged, so nobody can say of which run its folder is: '
      f'{error!r}. Choose another --out_dir.'
    ) from error
