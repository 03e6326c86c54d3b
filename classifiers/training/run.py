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
    ValueError: If the folder belongs to a run with other settings.
  """
  _claim(trainer, out_dir)
  losses = []
  options = ocp.CheckpointManagerOptions(max_to_keep=1)
  with ocp.CheckpointManager(
    (out_dir / 'checkpoints').absolute(), options=options
  ) as manager:
    state = _latest_state(trainer, manager)
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
  save_model(model_file(out_dir), trainer.model(state))
  return state, losses


def _latest_state(
  trainer: Trainer, manager: ocp.CheckpointManager
) -> TrainState:
  """Returns the state in the last checkpoint, or the initial one."""
  state = trainer.initial_state()
  step = manager.latest_step()
  if step is None:
    return state
  return manager.restore(step, args=ocp.args.StandardRestore(state))


def _claim(trainer: Trainer, out_dir: pathlib.Path) -> None:
  """Describes the run in its folder, or checks the description there."""
  wanted = {
    'model': dataclasses.asdict(trainer.spec),
    'training': dataclasses.asdict(trainer.config),
    'examples': trainer.split.count,
    'fingerprint': trainer.split.builder.info.metadata['fingerprint'],
  }
  out_dir.mkdir(parents=True, exist_ok=True)
  path = out_dir / _DESCRIPTION
  if not path.exists():
    temporary = path.with_suffix('.tmp')
    temporary.write_text(json.dumps(wanted, indent=2))
    os.replace(temporary, path)
    return
  found = json.loads(path.read_text())
  # Older code did not record the version, but the fingerprint depends on it.
  version = {'dataset_version': trainer.spec.dataset_version}
  found['model'] = version | found['model']
  if found != wanted:
    raise ValueError(
      f'{out_dir} holds another run:\n{found}\ninstead of\n{wanted}\n'
      'Choose another --out_dir, or delete this one.'
    )
