"""Fits as arrays of numbers, for programs other than the kernel in JAX."""

import ctypes
import dataclasses
import json
import pathlib
import subprocess
import sys
from collections.abc import Sequence

import jax.ffi
import numpy as np

from transforms import LinacConfig, draw, encoding
from transforms.canonical.compile import run_compiler
from transforms.canonical.step_numbers import constants, step_numbers

REPOSITORY = pathlib.Path(__file__).parents[3]
GOLDEN = REPOSITORY / 'tests/golden'

# A config whose fits take little time.
SMALL = LinacConfig(
  seed=3,
  num_layers=2,
  width=24,
  num_features=2,
  num_epochs=2,
  batch_size=16,
  representation_layer=1,
)

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


def compile_program(
  target: pathlib.Path,
  compiler: Sequence[str],
  objects: Sequence[pathlib.Path],
  *flags: str,
) -> None:
  """Compiles `call_kernel.cc` and links it with the kernel.

  Args:
    target: The program's file.
    compiler: The command of the C++ compiler.
    objects: The kernel, as object files or as the library.
    *flags: More options of the compiler.
  """
  if 'ziglang' in compiler:  # It would compile the C++ runtime library first.
    flags = ('-nostdlib++', *flags)
  run_compiler(
    [
      *(*compiler, '-std=c++17', '-O1', *flags, '-I', jax.ffi.include_dir()),
      str(pathlib.Path(__file__).with_name('call_kernel.cc')),
      *(*map(str, objects), '-lm', '-lpthread', '-o', str(target)),
    ],
    target.parent,
  )


def run_program(problem: Problem, *command: str) -> list[np.ndarray]:
  """Fits images with the program that `compile_program` compiled."""
  result = subprocess.run(
    [*map(str, command)],
    input=problem.encoded(),
    stdout=subprocess.PIPE,
    check=True,
  )
  return problem.decoded(result.stdout)


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


def tiny() -> tuple[Problem, list[np.ndarray]]:
  """A small fit whose every number is known, and these numbers."""
  golden = np.load(GOLDEN / 'canonical_tiny.npz')
  fields = json.loads(bytes(golden['fields']))
  config = LinacConfig(**fields, arithmetic='canonical')
  problem = Problem.of(golden['images'], config)
  names = ('representation', 'outputs', 'losses')
  return problem, [
    golden[name].reshape(result.shape)
    for name, result in zip(names, problem.results(), strict=True)
  ]


def check_bits(results: list[np.ndarray], expected: list[np.ndarray]) -> None:
  """Asserts that all bits are equal, those of zeros and NaNs as well."""
  for result, bits in zip(results, expected, strict=True):
    np.testing.assert_array_equal(result, bits)
    assert result.tobytes() == bits.tobytes()
