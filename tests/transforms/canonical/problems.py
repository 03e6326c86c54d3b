"""Fits as arrays of numbers, for programs other than the kernel in JAX."""

import ctypes
import dataclasses
import pathlib
import subprocess
import sys

import numpy as np

from transforms import LinacConfig, draw, encoding
from transforms.canonical.step_numbers import constants, step_numbers

REPOSITORY = pathlib.Path(__file__).parents[3]

_TYPES = {'float32': 'float', 'float64': 'double'}


@dataclasses.dataclass
class Problem:
  """Images to fit, as the arguments of the kernel.

  Attributes:
    config: The transform.
    targets: The normalised pixels, `[n, pixels, channels]`.
    arguments: The other arguments: the encoded grid, the batches, the numbers
      of each step, the constants and the weights of each layer.
  """

  config: LinacConfig
  targets: np.ndarray
  arguments: list[np.ndarray]

  @classmethod
  def of(cls, images: np.ndarray, config: LinacConfig) -> 'Problem':
    draws = draw(config, images.shape[1:])
    batches = draws.batches(config.batch_size)
    numbers = [
      draws.inputs,
      batches,
      step_numbers(config, len(batches)),
      constants(config),
      *draws.weights,
    ]
    dtypes = [config.precision] * len(numbers)
    dtypes[1] = 'int32'
    return cls(
      config,
      encoding.normalise(images, config).astype(config.precision),
      [
        np.ascontiguousarray(a, dtype)
        for a, dtype in zip(numbers, dtypes, strict=True)
      ],
    )

  def sizes(self) -> list[int]:
    """The sizes that the programs take after the arrays, in their order."""
    inputs, batches = self.arguments[:2]
    config = self.config
    return [
      *batches.shape,
      *inputs.shape,
      config.width,
      config.num_layers,
      self.targets.shape[-1],
      config.use_bias,
      config.representation_layer,
    ]

  def results(self) -> list[np.ndarray]:
    """Arrays for the representations, the outputs and the losses."""
    n, pixels, channels = self.targets.shape
    units = self.config.representation_channels(channels)
    steps = len(self.arguments[1])
    shapes = [(n, pixels, units), (n, pixels, channels), (n, steps)]
    return [np.zeros(shape, self.config.precision) for shape in shapes]

  def encoded(self) -> bytes:
    """The input of `call_kernel.cc`."""
    itemsize, n = self.targets.itemsize, len(self.targets)
    header = np.array([itemsize, n, *self.sizes()], np.int64)
    arrays = [header, self.targets, *self.arguments]
    return b''.join(array.tobytes() for array in arrays)

  def decoded(self, data: bytes) -> list[np.ndarray]:
    """The results that `call_kernel.cc` printed."""
    results = self.results()
    for result in results:
      result.flat = np.frombuffer(data, result.dtype, result.size)
      data = data[result.nbytes :]
    assert not data
    return results


def compile_plain_fit(folder: pathlib.Path) -> dict[str, ctypes.CDLL]:
  """Compiles the program of the documentation, in either precision."""
  libraries = {}
  for precision, number in _TYPES.items():
    target = folder / f'{precision}.so'
    subprocess.run(
      [
        *(sys.executable, '-m', 'ziglang', 'cc', '-O2', '-ffp-contract=off'),
        *(f'-DNUMBER={number}', '-shared', '-fPIC'),
        *(str(REPOSITORY / 'docs/canonical_fit.c'), '-lm', '-o', str(target)),
      ],
      check=True,
    )
    libraries[precision] = ctypes.CDLL(str(target))
  return libraries


def plain_fit(
  libraries: dict[str, ctypes.CDLL], problem: Problem
) -> list[np.ndarray]:
  """Fits images with the program of the documentation."""
  inputs, batches, numbers, consts, *weights = problem.arguments
  results = problem.results()
  weights = np.concatenate([w.ravel() for w in weights])
  sizes = [ctypes.c_int64(size) for size in problem.sizes()]
  sizes[-2] = ctypes.c_int(int(problem.config.use_bias))
  for i, targets in enumerate(problem.targets):
    arrays = [weights, targets, inputs, batches, numbers, consts]
    outputs = [result[i] for result in results]
    libraries[problem.config.precision].canonical_fit(
      *map(_pointer, arrays), *sizes, *map(_pointer, outputs)
    )
  return results


def _pointer(array: np.ndarray) -> ctypes.c_void_p:
  assert array.flags.c_contiguous
  return ctypes.c_void_p(array.ctypes.data)
