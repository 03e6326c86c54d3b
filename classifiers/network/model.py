"""A classifier as a thing to keep: what it is, its variables, and its file."""

from __future__ import annotations

import dataclasses
import functools
import json
import os

import flax
import jax
import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import Array, Float

from classifiers.network.wide_resnet import WideResNet, blocks_per_layer

INPUTS = ('representation', 'image')
# Beyond these a file is damaged, or a command line mistyped.
_LARGEST = {
  'depth': 1000,
  'width': 100,
  'in_channels': 2**16,
  'num_classes': 2**16,
}
_METADATA = 'classifier'


@dataclasses.dataclass(frozen=True)
class ModelSpec:
  """What a classifier is, apart from its numbers.

  Attributes:
    depth: of the WideResNet.
    width: of the WideResNet.
    in_channels: of its input.
    num_classes: number of logits.
    inputs: `'representation'`, or `'image'` for an undefended classifier of
      normalised images.
    config_name: of the config of `cifar10_linac` that it was trained on, as in
      `seed_42`. Of a private key it is the private name.

  Raises:
    ValueError: naming the field and its value.
  """

  depth: int
  width: int
  in_channels: int
  num_classes: int
  inputs: str
  config_name: str

  def __post_init__(self):
    for name, largest in _LARGEST.items():
      value = getattr(self, name)
      if type(value) is not int or not 1 <= value <= largest:
        raise ValueError(
          f'{name}={value!r} must be an integer between 1 and {largest}.'
        )
    blocks_per_layer(self.depth)
    if self.inputs not in INPUTS:
      raise ValueError(f'inputs={self.inputs!r} must be one of {INPUTS}.')
    if not isinstance(self.config_name, str) or not self.config_name:
      raise ValueError(f'config_name={self.config_name!r} must be a name.')

  @property
  def network(self) -> WideResNet:
    """The Flax module."""
    return WideResNet(self.depth, self.width, self.num_classes)

  def shapes(self) -> dict[str, jax.ShapeDtypeStruct]:
    """All variables by path, as in `params/init_conv/kernel`."""
    # The convolutions' shapes depend on the channels alone, not on the grid.
    inputs = jax.ShapeDtypeStruct((1, 4, 4, self.in_channels), np.float32)
    variables = jax.eval_shape(self.network.init, jax.random.key(0), inputs)
    return flax.traverse_util.flatten_dict(variables, sep='/')


@dataclasses.dataclass(frozen=True)
class Model:
  """A classifier with its numbers.

  Attributes:
    spec: what it is.
    variables: `params` and `batch_stats`, as Flax nests them.
  """

  spec: ModelSpec
  variables: dict

  def logits(
    self, inputs: Float[Array, 'n height width channels']
  ) -> Float[Array, 'n classes']:
    """Logits of representations or normalised images, in inference mode."""
    return _apply(self.spec.network, self.variables, inputs)


@functools.partial(jax.jit, static_argnums=0)
def _apply(network, variables, inputs):
  return network.apply(variables, inputs)


def save_model(path: str | os.PathLike, model: Model) -> None:
  """Writes one safetensors file, whole or not at all."""
  tensors = {
    name: np.ascontiguousarray(value)
    for name, value in flax.traverse_util.flatten_dict(
      model.variables, sep='/'
    ).items()
  }
  metadata = {_METADATA: json.dumps(dataclasses.asdict(model.spec))}
  temporary = f'{os.fspath(path)}.tmp'
  safetensors.numpy.save_file(tensors, temporary, metadata)
  os.replace(temporary, path)


def load_model(path: str | os.PathLike) -> Model:
  """Reads what `save_model` wrote.

  Raises:
    ValueError: if the file is another one, or its arrays are not those that its
      description asks for.
    OSError: if it cannot be read.
  """
  try:
    with safetensors.safe_open(path, framework='np') as file:
      metadata = file.metadata() or {}
      spec = ModelSpec(**json.loads(metadata[_METADATA]))
      tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
  except (
    safetensors.SafetensorError,
    KeyError,
    TypeError,
    ValueError,
  ) as error:
    raise ValueError(
      f'{path} is no classifier of this project, or damaged: {error!r}. '
      'classifiers.train and classifiers.import_published write such files.'
    ) from error
  found = {name: (t.shape, t.dtype) for name, t in tensors.items()}
  expected = {name: (s.shape, s.dtype) for name, s in spec.shapes().items()}
  if problems := differences(found, expected):
    raise ValueError(f'{path} does not fit {spec}:\n{problems}')
  # On the device once, and not at every call.
  variables = flax.traverse_util.unflatten_dict(tensors, sep='/')
  return Model(spec, jax.device_put(variables))


def differences(found: dict, expected: dict) -> str:
  """Missing, surplus and misshapen entries, one per line; '' if there are none.

  Args:
    found: what there is of each name, such as its shape.
    expected: what there should be.
  """
  lines = [f'missing   {name}' for name in sorted(expected.keys() - found)]
  lines += [
    f'surplus   {name:.200}' for name in sorted(found.keys() - expected)
  ]
  lines += [
    f'misshapen {name}: {found[name]} instead of {expected[name]}'
    for name in sorted(found.keys() & expected)
    if found[name] != expected[name]
  ]
  return '\n'.join(lines)
