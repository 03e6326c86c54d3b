"""A classifier's description, its variables, and the file that holds both."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import re

import flax
import jax
import numpy as np
import safetensors
import safetensors.numpy
from jaxtyping import Array, Float

from classifiers.network.wide_resnet import WideResNet, blocks_per_layer
from linac_config import invocation, paths

INPUTS = ('representation', 'image')
# A larger number means that a file is damaged or an option is mistyped.
_LARGEST = {
  'depth': 1000,
  'width': 100,
  'in_channels': 2**16,
  'num_classes': 2**16,
}
_METADATA = 'classifier'
_VERSION = re.compile(r'\d+(\.(\d+|\*)){2}', re.ASCII)
# The version of the dataset for files that do not say it: any one before 2.0.0.
_FIRST_VERSIONS = '1.*.*'


@dataclasses.dataclass(frozen=True)
class ModelSpec:
  """A description of a classifier without its weights.

  Attributes:
    depth: The depth of the WideResNet.
    width: The width factor of the WideResNet.
    in_channels: The number of channels of the network's input.
    num_classes: The number of logits.
    inputs: `'representation'` for a defended classifier, or `'image'` for an
      undefended classifier, whose input is normalised images.
    config_name: The name of the `cifar10_linac` config that the classifier was
      trained on, such as `seed_42`. For a private key, it is the name that the
      key's owner chose.
    dataset_version: The version of that dataset, on which the meaning of the
      name depends, such as `2.0.0`; or `1.*.*` for any version of that form.

  Raises:
    ValueError: If a field is out of range. The message names the field and its
      value.
  """

  depth: int
  width: int
  in_channels: int
  num_classes: int
  inputs: str
  config_name: str
  dataset_version: str

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
      raise ValueError(
        f'config_name={self.config_name!r} must be a non-empty string, such as '
        "'seed_42'."
      )
    version = self.dataset_version
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
      raise ValueError(
        f"dataset_version={version!r} must be a version, such as '2.0.0'."
      )

  @property
  def network(self) -> WideResNet:
    """The Flax module that computes the logits."""
    return WideResNet(self.depth, self.width, self.num_classes)

  def shapes(self) -> dict[str, jax.ShapeDtypeStruct]:
    """Returns the shape and dtype of each variable of the network.

    The keys are paths such as `params/init_conv/kernel`.
    """
    # No shape depends on the height and width of the input, so 4x4 will do.
    inputs = jax.ShapeDtypeStruct((1, 4, 4, self.in_channels), np.float32)
    variables = jax.eval_shape(self.network.init, jax.random.key(0), inputs)
    return flax.traverse_util.flatten_dict(variables, sep='/')


@dataclasses.dataclass(frozen=True)
class Model:
  """A classifier: its description and its variables.

  Attributes:
    spec: The description.
    variables: The collections `params` and `batch_stats`, nested as in Flax.
  """

  spec: ModelSpec
  variables: dict

  def logits(
    self, inputs: Float[Array, 'n height width channels']
  ) -> Float[Array, 'n classes']:
    """Returns the logits, in inference mode.

    Args:
      inputs: Representations or normalised images, as `spec.inputs` says.
    """
    return _apply(self.spec.network, self.variables, inputs)


@functools.partial(jax.jit, static_argnums=0)
def _apply(network, variables, inputs):
  return network.apply(variables, inputs)


def save_model(path: str | os.PathLike, model: Model) -> None:
  """Writes a model to one safetensors file.

  The file appears under its name only when it is complete.

  Raises:
    ValueError: If a variable is not finite. Then nothing is written.
  """
  tensors = {
    name: np.ascontiguousarray(value)
    for name, value in flax.traverse_util.flatten_dict(
      model.variables, sep='/'
    ).items()
  }
  _check_finite(path, tensors)
  spec = json.dumps(dataclasses.asdict(model.spec), allow_nan=False)
  metadata = {_METADATA: spec}
  path = paths.absolute(path)
  temporary = f'{path}.tmp'
  safetensors.numpy.save_file(tensors, temporary, metadata)
  os.replace(temporary, path)


def load_model(path: str | os.PathLike) -> Model:
  """Reads a file that `save_model` wrote.

  Raises:
    ValueError: If the file is of another kind, if its arrays do not have the
      shapes that its description asks for, or if one is not finite.
    OSError: If the file cannot be read.
  """
  path = paths.absolute(path)
  if os.path.isdir(path):  # The library's error does not name it.
    raise IsADirectoryError(f'{path} is a folder; pass the file of a model.')
  try:
    with safetensors.safe_open(path, framework='np') as file:
      metadata = file.metadata() or {}
      fields = json.loads(metadata[_METADATA])
      spec = ModelSpec(**{'dataset_version': _FIRST_VERSIONS} | fields)
      # Otherwise a description alone would make seconds of work.
      if spec.depth > (count := len(file.keys())):
        raise ValueError(f'{count} arrays have no depth={spec.depth}')
      tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
  except (
    safetensors.SafetensorError,
    AttributeError,  # NumPy has no dtype of this name, such as an F8.
    KeyError,
    RecursionError,  # The description is nested too deeply.
    TypeError,
    ValueError,
  ) as error:
    raise ValueError(
      f'{path} is no classifier of this project, or it is damaged: {error!r}. '
      f'Pass a file that `{invocation.command("train")}` or '
      f'`{invocation.command("import")}` wrote.'
    ) from error
  found = {name: (t.shape, t.dtype) for name, t in tensors.items()}
  expected = {name: (s.shape, s.dtype) for name, s in spec.shapes().items()}
  if problems := differences(found, expected):
    raise ValueError(
      f'The arrays in {path} do not fit its description, {spec}:\n{problems}\n'
      'Make the file again.'
    )
  _check_finite(path, tensors)
  # The variables move to the device here, so that no call has to move them.
  variables = flax.traverse_util.unflatten_dict(tensors, sep='/')
  return Model(spec, jax.device_put(variables))


def _check_finite(
  path: str | os.PathLike, tensors: dict[str, np.ndarray]
) -> None:
  """Refuses variables that are not finite, whose logits would mean nothing."""
  for name, tensor in tensors.items():
    if not np.isfinite(tensor).all():
      raise ValueError(
        f'{name} in the classifier {path} is not finite, so its logits would '
        'mean nothing. Train it again with a smaller --learning_rate and '
        'another --out_dir.'
      )


def differences(found: dict, expected: dict) -> str:
  """Lists the entries that are missing, surplus or misshapen, one per line.

  Args:
    found: A property of each entry by the entry's name, such as its shape.
    expected: The same property of the entries that there should be.

  Returns:
    The lines, or an empty string if `found` equals `expected`.
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
