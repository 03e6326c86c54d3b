"""The kernel for GPUs gives the bits of the CPU's.

It runs on threads of this CPU, launched by the library through a driver of a
GPU that does not exist, see `driver.cc`.
"""

import dataclasses
import pathlib
import shutil
import subprocess

import numpy as np
import pytest

from tests.transforms.canonical import problems
from tests.transforms.canonical.problems import SMALL, Problem
from transforms.canonical import library
from transforms.canonical.compile import COMMON_FLAGS, KERNEL, run_compiler
from transforms.canonical.cuda.card import kernels
from transforms.canonical.cuda.schedule import Schedule

COMPILER = ['g++'] if shutil.which('g++') else None
# A schedule's columns, blocks per image, images at once and units per launch.
# The widest tile has 256 columns in float32 and 128 in float64.
WIDEST = {'float32': 256, 'float64': 128}
CASES = {
  'odd width': ({'width': 33, 'num_layers': 3}, (8, 8, 3), (16, 3, 1, 2)),
  'two tiles': ({'width': 40}, (8, 8, 3), (16, 2, 1, 99)),
  'default width': (
    {'width': 256, 'num_features': 5, 'num_epochs': 1},
    (8, 8, 3),
    (None, 1, 1, 99),
  ),
  'one tile a block': (
    {'width': 256, 'num_epochs': 1},
    (4, 8, 3),
    (64, 4, 1, 99),
  ),
  'wide': ({'width': 512, 'num_epochs': 1}, (4, 8, 3), (None, 1, 1, 99)),
  'part of a panel': ({'batch_size': 7}, (7, 7, 3), (16, 2, 2, 99)),
  'a panel': ({'batch_size': 32}, (8, 8, 3), (64, 1, 1, 99)),
  'a panel and a half': ({'batch_size': 48}, (8, 12, 3), (32, 1, 1, 3)),
  'many panels': (
    {'batch_size': 1024, 'width': 33},
    (32, 32, 3),
    (64, 1, 1, 99),
  ),
  'one channel': ({}, (8, 8, 1), (16, 2, 1, 99)),
  'five channels': ({}, (8, 8, 5), (16, 2, 1, 99)),
  'two tiles of channels': ({}, (8, 8, 17), (16, 2, 1, 99)),
  'one layer': (
    {'num_layers': 1, 'representation_layer': 0},
    (8, 8, 3),
    (16, 2, 1, 1),
  ),
  'ten frequencies': ({'num_features': 10}, (8, 8, 3), (32, 1, 1, 99)),
  'no bias': ({'use_bias': False}, (8, 8, 3), (32, 1, 1, 99)),
  'reconstruction': (
    {'representation_layer': 2},
    (8, 8, 3),
    (16, 1, 1, 99),
  ),
}


def compile_driver(folder: pathlib.Path, *flags: str) -> None:
  if not COMPILER:
    pytest.skip('there is no g++')
  run_compiler(
    [
      *(*COMPILER, *COMMON_FLAGS, '-march=x86-64-v3', '-Wno-unknown-pragmas'),
      *('-O2', *flags, '-shared', '-I', str(KERNEL)),
      *(str(pathlib.Path(__file__).with_name('driver.cc')), '-lpthread'),
      *('-o', str(folder / 'libcuda.so.1')),
    ],
    folder,
  )


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> pathlib.Path:
  """A folder with the program `call_kernel` and the driver."""
  folder = tmp_path_factory.mktemp('cuda')
  compile_driver(folder)
  file = library.path()
  run_path = f'-Wl,-rpath,{file.parent}'
  problems.compile_program(folder / 'call_kernel', COMPILER, [file], run_path)
  return folder


@pytest.fixture
def call(folder, monkeypatch):
  """Fits images with the kernel for GPUs."""
  monkeypatch.setenv('LD_LIBRARY_PATH', str(folder))

  def call(problem: Problem, schedule: Schedule, num_bytes: int = 2**33):
    program = folder / 'call_kernel'
    options = map(str, (*schedule, num_bytes))
    return problems.run_program(problem, program, 'cuda', *options)

  return call


def problem_of(precision: str, shape, count: int = 1, **fields) -> Problem:
  constants = (0.5,) * shape[-1], (0.25,) * shape[-1]
  config = dataclasses.replace(
    SMALL, precision=precision, mean=constants[0], std=constants[1], **fields
  )
  images = np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)
  return Problem.of(images, config)


@pytest.mark.parametrize('precision', ['float32', 'float64'])
@pytest.mark.parametrize('case', CASES)
def test_the_bits_are_those_of_the_cpu(folder, call, precision, case):
  fields, shape, (columns, *rest) = CASES[case]
  problem = problem_of(precision, shape, **fields)
  schedule = Schedule(columns or WIDEST[precision], *rest)
  expected = problems.run_program(problem, folder / 'call_kernel')
  problems.check_bits(call(problem, schedule), expected)


@pytest.mark.parametrize('kernel', kernels(), ids=lambda kernel: kernel.name)
@pytest.mark.parametrize('at_once', [1, 2, 3])
def test_every_kernel_fits_several_images(folder, call, kernel, at_once):
  problem = problem_of(kernel.precision, (8, 8, 3), count=3)
  expected = problems.run_program(problem, folder / 'call_kernel')
  schedule = Schedule(kernel.columns, 1, at_once, 5)
  problems.check_bits(call(problem, schedule), expected)


def test_a_known_fit(call):
  problem, expected = problems.tiny()
  problems.check_bits(call(problem, Schedule(16, 2, 1, 7)), expected)


def test_nan_stays_in_its_image(folder, call):
  problem = problem_of('float32', (8, 8, 3), count=2)
  problem.targets[1, 5] = np.nan
  expected = problems.run_program(problem, folder / 'call_kernel')
  assert np.isnan(expected[2][1]).any()
  assert not np.isnan(expected[2][0]).any()
  results = call(problem, Schedule(16, 2, 2, 99))
  for result, bits in zip(results, expected, strict=True):
    np.testing.assert_array_equal(result, bits)


def test_fewer_images_are_fitted_at_once_where_memory_is_short(folder, call):
  problem = problem_of('float32', (8, 8, 3), count=4)
  expected = problems.run_program(problem, folder / 'call_kernel')
  schedule = Schedule(64, 1, 4, 99)
  problems.check_bits(call(problem, schedule, 60_000), expected)
  with pytest.raises(subprocess.CalledProcessError):
    call(problem, schedule, 1_000)


def message_of(folder: pathlib.Path, problem: Problem, *options: str) -> str:
  result = subprocess.run(
    [str(folder / 'call_kernel'), 'cuda', *options, str(2**33)],
    input=problem.encoded(),
    capture_output=True,
  )
  assert result.returncode == 1
  return result.stderr.decode()


def test_gpus_and_drivers_that_are_too_old_are_refused(
  folder, call, monkeypatch
):
  problem = problem_of('float32', (8, 8, 3))
  schedule = ('16', '1', '1', '9')
  monkeypatch.setenv('LINAC_TEST_CAPABILITY', '70')
  message = message_of(folder, problem, *schedule)
  assert 'Threads of a CPU has compute capability 7.0' in message
  assert "needs 7.5 or newer. Use arithmetic='xla'" in message
  monkeypatch.setenv('LINAC_TEST_CUDA', '11080')
  message = message_of(folder, problem, *schedule)
  assert 'supports CUDA 11.8, and the canonical fit needs CUDA 12.0' in message
  assert 'drivers from 525 on' in message


@pytest.mark.parametrize(
  'schedule',
  [('17', '1', '1', '9'), ('16', '5', '1', '9'), ('16', '1', '0', '9')],
)
def test_impossible_schedules_are_refused(folder, call, schedule):
  message = message_of(folder, problem_of('float32', (8, 8, 3)), *schedule)
  assert 'do not fit each other' in message


def test_without_a_driver_the_message_names_it(folder, monkeypatch, tmp_path):
  monkeypatch.setenv('LD_LIBRARY_PATH', str(tmp_path))
  problem = problem_of('float32', (8, 8, 3))
  message = message_of(folder, problem, '16', '1', '1', '9')
  assert 'driver, libcuda.so.1, cannot be loaded. Install it.' in message


@pytest.mark.nightly
@pytest.mark.parametrize('precision', ['float32', 'float64'])
@pytest.mark.parametrize(
  'schedule', [(16, 3, 1, 7), (64, 1, 1, 99), (None, 1, 1, 99)], ids=str
)
def test_no_thread_reads_what_another_writes(tmp_path, precision, schedule):
  compile_driver(tmp_path, '-fsanitize=thread', '-O1', '-g')
  problem = problem_of(
    precision, (7, 14, 3), width=40, batch_size=49, num_epochs=1
  )
  program = tmp_path / 'call_kernel'
  file = library.path()
  problems.compile_program(
    program, COMPILER, [file], f'-Wl,-rpath,{file.parent}', '-fsanitize=thread'
  )
  columns, *rest = schedule
  options = map(str, (columns or WIDEST[precision], *rest, 2**33))
  result = subprocess.run(
    [str(program), 'cuda', *options],
    input=problem.encoded(),
    capture_output=True,
    env={'LD_LIBRARY_PATH': str(tmp_path)},
  )
  assert result.returncode == 0, result.stderr.decode()[-4000:]
  problems.check_bits(
    problem.decoded(result.stdout), problems.run_program(problem, program)
  )
