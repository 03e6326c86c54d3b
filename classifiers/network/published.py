"""The conversion of the published parameters from Haiku's names to Flax's.

Depth, width, channels and classes are inferred from the names and shapes in the
published file. Every entry is then compared with the network that these
describe.
"""

from __future__ import annotations

import re

import flax
import numpy as np

from classifiers.network.model import Model, ModelSpec, differences
from classifiers.network.unpickle import Entries
from linac_tfds import Cifar10Linac

_ROOT = 'wide_res_net'
# These map Flax's names of arrays to Haiku's.
_PARAMS = {'kernel': 'w', 'bias': 'b', 'scale': 'scale'}
_STATISTICS = {'mean': 'mean_ema', 'var': 'var_ema'}
_BLOCK = re.compile(rf'{_ROOT}/~/resnet_lay_\d_block_(\d{{1,3}})/~/conv_0')


def infer_spec(params: Entries, config_name: str) -> ModelSpec:
  """Infers depth, width, channels and classes from names and shapes.

  Args:
    params: The parameters by Haiku's names.
    config_name: The name of the config that the classifier was trained on.

  Raises:
    ValueError: If an entry that is needed is missing or has an unsuitable
      shape. The message names the entry.
  """
  blocks = [int(m[1]) for name in params if (m := _BLOCK.fullmatch(name))]
  filters = _shape(params, 'resnet_lay_0_block_0/~/conv_0', 'w', rank=4)[3]
  if filters % 16:
    raise ValueError(
      f'{_ROOT}/~/resnet_lay_0_block_0/~/conv_0 has {filters} filters, but a '
      'WideResNet has a multiple of 16 there. Pass the published file.'
    )
  return ModelSpec(
    depth=6 * (max(blocks) + 1) + 4,
    width=filters // 16,
    in_channels=_shape(params, 'init_conv', 'w', rank=4)[2],
    num_classes=_shape(params, 'logits', 'b', rank=1)[0],
    inputs='representation',
    config_name=config_name,
    dataset_version=str(Cifar10Linac.VERSION),
  )


def _shape(params: Entries, module: str, entry: str, rank: int):
  array = params.get(f'{_ROOT}/~/{module}', {}).get(entry)
  if array is None or array.ndim != rank:
    found = 'missing' if array is None else f'of shape {array.shape}'
    raise ValueError(
      f'{_ROOT}/~/{module} {entry} is {found}, so these are no parameters of a '
      f'WideResNet. There are {len(params)} modules: '
      f'{", ".join(map(repr, list(params)[:5]))}, ... Pass the published file.'
    )
  return array.shape


def haiku_shapes(spec: ModelSpec) -> dict[str, dict[str, dict[str, tuple]]]:
  """Returns the shapes of all arrays in a published file.

  Args:
    spec: The description of the classifier in the file.

  Returns:
    The shapes by collection (`params` or `state`), by Haiku's name of the
    module, and by Haiku's name of the array.
  """
  shapes = {'params': {}, 'state': {}}
  for path, struct in spec.shapes().items():
    collection, module, entry = _haiku_name(path)
    entries = shapes[collection].setdefault(module, {})
    # In Haiku, batch norm keeps the axes that it reduces, with size 1.
    keeps_axes = collection == 'state' or entry == 'scale'
    entries[entry] = (1, 1, 1, *struct.shape) if keeps_axes else struct.shape
    if collection == 'state':
      entries |= {'hidden': entries[entry], 'counter': ()}
  return shapes


def _haiku_name(path: str) -> tuple[str, str, str]:
  """Returns Haiku's collection, module and entry for a path of Flax's."""
  collection, *modules, name = path.split('/')
  if collection == 'params':
    return 'params', '/~/'.join([_ROOT, *modules]), _PARAMS[name]
  return 'state', '/~/'.join([_ROOT, *modules, _STATISTICS[name]]), 'average'


def convert(params: Entries, state: Entries, config_name: str) -> Model:
  """Converts Haiku's parameters and state to a classifier.

  Args:
    params: The parameters by Haiku's names.
    state: The moving averages of batch norm by Haiku's names.
    config_name: The name of the config that the classifier was trained on.

  Raises:
    ValueError: If entries are missing, surplus or misshapen, are not numbers,
      or are not finite. The message lists them.
  """
  spec = infer_spec(params, config_name)
  arrays = _flat({'params': params, 'state': state})
  if problems := _problems(arrays, spec):
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


def _problems(arrays: dict[str, np.ndarray], spec: ModelSpec) -> list[str]:
  """Returns a line for each array that the network cannot use."""
  found = {name: array.shape for name, array in arrays.items()}
  lines = differences(found, _flat(haiku_shapes(spec))).splitlines()
  return lines + [
    f'not finite {name}'
    for name, array in arrays.items()
    if array.dtype.kind not in 'fiu' or not np.isfinite(array).all()
  ]


def _flat(tree: dict) -> dict:
  return flax.traverse_util.flatten_dict(tree, sep=' ')
