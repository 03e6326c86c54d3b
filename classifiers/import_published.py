"""Imports the published classifier's parameters, without trusting the file.

  curl -O https://storage.googleapis.com/dm-adversarial-robustness/linac/cifar10_linac_wrn70-16.npy
  python -m classifiers.import_published cifar10_linac_wrn70-16.npy wrn70-16.safetensors

The file is a pickle; `classifiers/network/unpickle.py` reads it and runs nothing. Depth,
width, channels and classes are inferred from its names and shapes, and every
entry is held against the network they stand for. The result is a safetensors
file for `classifiers.evaluate` and `classifiers.DefendedClassifier`. The
published file takes about 2.5 GB of memory and 1.1 GB of disk.
"""  # noqa: E501  A command to paste is one line.

from __future__ import annotations

import re
import sys

import flax
import numpy as np

from classifiers import command_line
from classifiers.network.model import Model, ModelSpec, differences, save_model
from classifiers.network.unpickle import Entries, load_params_and_state
from linac_config import config_names
from linac_config.config import LinacConfig

_ROOT = 'wide_res_net'
# Flax's names of numbers, and Haiku's.
_PARAMS = {'kernel': 'w', 'bias': 'b', 'scale': 'scale'}
_STATISTICS = {'mean': 'mean_ema', 'var': 'var_ema'}
_BLOCK = re.compile(rf'{_ROOT}/~/resnet_lay_\d_block_(\d{{1,3}})/~/conv_0')


def infer_spec(params: Entries, config_name: str) -> ModelSpec:
  """Reads depth, width, channels and classes off names and shapes.

  Args:
    params: by Haiku's names.
    config_name: of the config that the classifier was trained on.

  Raises:
    ValueError: naming the entry that should tell, if it does not.
  """
  blocks = [int(m[1]) for name in params if (m := _BLOCK.fullmatch(name))]
  filters = _shape(params, 'resnet_lay_0_block_0/~/conv_0', 'w', rank=4)[3]
  if filters % 16:
    raise ValueError(
      f'{_ROOT}/~/resnet_lay_0_block_0/~/conv_0 has {filters} filters, which '
      'is no multiple of 16.'
    )
  return ModelSpec(
    depth=6 * (max(blocks) + 1) + 4,
    width=filters // 16,
    in_channels=_shape(params, 'init_conv', 'w', rank=4)[2],
    num_classes=_shape(params, 'logits', 'b', rank=1)[0],
    inputs='representation',
    config_name=config_name,
  )


def _shape(params: Entries, module: str, entry: str, rank: int):
  array = params.get(f'{_ROOT}/~/{module}', {}).get(entry)
  if array is None or array.ndim != rank:
    found = 'missing' if array is None else f'of shape {array.shape}'
    raise ValueError(
      f'{_ROOT}/~/{module} {entry} is {found}, so these are no parameters of a '
      f'WideResNet. There are {len(params)} modules: '
      f'{", ".join(map(repr, list(params)[:5]))}, ...'
    )
  return array.shape


def haiku_shapes(spec: ModelSpec) -> dict[str, dict[str, dict[str, tuple]]]:
  """Shapes of `params` and `state` in the published file, by Haiku's names."""
  shapes = {'params': {}, 'state': {}}
  for path, struct in spec.shapes().items():
    collection, module, entry = _haiku_name(path)
    entries = shapes[collection].setdefault(module, {})
    # Haiku keeps the axes that batch norm reduces.
    keeps_axes = collection == 'state' or entry == 'scale'
    entries[entry] = (1, 1, 1, *struct.shape) if keeps_axes else struct.shape
    if collection == 'state':
      entries |= {'hidden': entries[entry], 'counter': ()}
  return shapes


def _haiku_name(path: str) -> tuple[str, str, str]:
  """Collection, module and entry of a variable of the Flax network."""
  collection, *modules, name = path.split('/')
  if collection == 'params':
    return 'params', '/~/'.join([_ROOT, *modules]), _PARAMS[name]
  return 'state', '/~/'.join([_ROOT, *modules, _STATISTICS[name]]), 'average'


def convert(params: Entries, state: Entries, config_name: str) -> Model:
  """The classifier of Haiku's parameters and state.

  Raises:
    ValueError: listing entries that are missing, surplus or misshapen, of
      another type than numbers, or not finite.
  """
  spec = infer_spec(params, config_name)
  expected = _flat(haiku_shapes(spec))
  arrays = _flat({'params': params, 'state': state})
  found = {name: array.shape for name, array in arrays.items()}
  problems = differences(found, expected).splitlines()
  problems += [
    f'not finite {name}'
    for name, array in arrays.items()
    if array.dtype.kind not in 'fiu' or not np.isfinite(array).all()
  ]
  if problems:
    lines = '\n'.join(problems[:100])
    raise ValueError(
      f'{len(problems)} entries do not fit a WideResNet-{spec.depth}-'
      f'{spec.width}:\n{lines}'
    )
  variables = {
    path: arrays[' '.join(_haiku_name(path))]
    .reshape(struct.shape)
    .astype(struct.dtype)
    for path, struct in spec.shapes().items()
  }
  return Model(spec, flax.traverse_util.unflatten_dict(variables, sep='/'))


def _flat(tree: dict) -> dict:
  return flax.traverse_util.flatten_dict(tree, sep=' ')


def main(argv: list[str]) -> dict:
  parser = command_line.Parser(
    'import_published',
    'Converts the published .npy of a defended classifier to safetensors.',
  )
  parser.add_argument('file', help='the .npy, a pickled [params, state]')
  parser.add_argument('out', help='the safetensors file to write')
  parser.add_argument(
    '--config_name',
    default=config_names.config_name('cifar10', LinacConfig()),
    metavar='NAME',
    help='of the transform it was trained on (default: %(default)s, the '
    'published key)',
  )
  args = parser.parse_args(argv)
  config_names.parse_config_name(args.config_name)
  model = convert(*load_params_and_state(args.file), args.config_name)
  save_model(args.out, model)
  return {
    'imported': args.out,
    'depth': model.spec.depth,
    'width': model.spec.width,
    'in_channels': model.spec.in_channels,
    'num_classes': model.spec.num_classes,
    'config_name': model.spec.config_name,
  }


if __name__ == '__main__':
  sys.exit(command_line.run(main, sys.argv[1:]))
