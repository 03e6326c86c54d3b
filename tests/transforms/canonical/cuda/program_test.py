"""The program for GPUs is current, and rounds as the arithmetic wants."""

import pathlib
import re
import subprocess
import sys

import pytest

from transforms.canonical.cuda import program
from transforms.canonical.cuda.card import kernels

NVRTC = 'nvidia-cuda-nvrtc-cu12==12.0.140'


@pytest.fixture(scope='module')
def ptx() -> str:
  return program.PROGRAM.read_text()


@pytest.fixture(scope='module')
def nvrtc(tmp_path_factory) -> pathlib.Path:
  """NVIDIA's compiler, in a folder of its own."""
  folder = tmp_path_factory.mktemp('nvrtc')
  command = [sys.executable, '-m', 'pip', 'install', '-q', '--no-deps']
  subprocess.run([*command, '--target', str(folder), NVRTC], check=True)
  return folder


def test_the_program_was_made_from_these_sources():
  with program.PROGRAM.open('rb') as file:
    assert file.readline() == program.first_line(), (
      'The sources of the kernel have changed. Make fit.ptx again, as the '
      'docstring of transforms/canonical/cuda/program.py says.'
    )


def test_old_drivers_and_gpus_can_load_the_program(ptx):
  assert re.findall(r'^\.version (.*)$', ptx, re.M) == ['8.0']
  assert re.findall(r'^\.target (.*)$', ptx, re.M) == ['sm_75']


def test_the_program_has_every_kernel(ptx):
  names = re.findall(r'^\.visible \.entry (\w+)\(', ptx, re.M)
  assert sorted(names) == sorted(kernel.name for kernel in kernels())


def test_every_operation_names_its_rounding(ptx):
  found = set(re.findall(r'\b((?:\w+\.)+f(?:32|64))\b', ptx))
  arithmetic = {
    name
    for name in found
    if name.split('.')[0] in ('add', 'sub', 'mul', 'fma', 'mad', 'div', 'sqrt')
  }
  assert {'fma.rn.f32', 'fma.rn.f64', 'sqrt.rn.f32', 'div.rn.f64'} <= arithmetic
  assert all(name.split('.')[1] == 'rn' for name in arithmetic), arithmetic
  # The rest only moves and compares numbers, or changes their sign.
  others = {name.split('.')[0] for name in found - arithmetic}
  assert others <= {'ld', 'st', 'mov', 'setp', 'selp', 'neg', 'param'}


def test_nothing_flushes_approximates_or_adds_to_data_at_once(ptx):
  assert '.ftz' not in ptx
  assert '.approx' not in ptx
  assert 'mma' not in ptx
  # Blocks are counted at barriers, but no sum of data is atomic.
  assert set(re.findall(r'\b(?:atom|red)\.\S+', ptx)) <= {
    'atom.global.add.u32',
    'atom.add.u32',
  }


@pytest.mark.nightly
def test_the_compiler_makes_this_program(nvrtc, ptx):
  made, _ = program.compile_kernel(nvrtc, program.ARCHITECTURE)
  assert program.first_line() + made.rstrip(b'\0') == ptx.encode()


# The bytes of registers that a kernel may store in memory. In float64, a thread
# of the widest tile needs more than the 168 registers of three blocks; that is
# still faster than two blocks with more registers are expected to be.
SPILLS = {'float32': 32, 'float64': 400}


@pytest.mark.nightly
@pytest.mark.parametrize('gpu', ['sm_75', 'sm_80', 'sm_86', 'sm_89', 'sm_90'])
def test_the_kernels_fit_the_registers(nvrtc, gpu):
  _, log = program.compile_kernel(nvrtc, gpu, '--ptxas-options=-v')
  parts = re.split(r"Compiling entry function '(\w+)' for '\w+'", log)[1:]
  kernels_of_log = dict(zip(parts[::2], parts[1::2], strict=True))
  assert set(kernels_of_log) == {kernel.name for kernel in kernels()}
  for kernel in kernels():
    text = kernels_of_log[kernel.name]
    (registers,) = map(int, re.findall(r'Used (\d+) registers', text))
    assert registers * kernel.threads * kernel.blocks <= 2**16
    stores = sum(map(int, re.findall(r'(\d+) bytes spill stores', text)))
    assert stores <= SPILLS[kernel.precision], text
