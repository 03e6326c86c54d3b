"""Tests that the C++ sources compile, and into what."""

import contextlib
import ctypes
import pathlib
import shutil
import subprocess

import jax.ffi
import numpy as np
import pytest

from tests.transforms.canonical import problems
from tests.transforms.canonical.problems import Problem
from transforms import LinacConfig
from transforms.canonical import compile as compilation
from transforms.canonical.compile import compile_library, source_hash
from transforms.canonical.fit import kernel_name

COMPILERS = {'g++': ['g++'], 'zig': compilation.zig_compiler()}


@pytest.fixture(scope='module', params=COMPILERS)
def compiler(request) -> list[str]:
  command = COMPILERS[request.param]
  if not shutil.which(command[0]):
    pytest.skip(f'there is no {command[0]}')
  return command


@pytest.fixture(scope='module')
def objects(compiler, tmp_path_factory) -> list[pathlib.Path]:
  folder = tmp_path_factory.mktemp('objects')
  return compilation.compile_objects(folder, compiler, jax.ffi.include_dir())


@pytest.mark.nightly
def test_the_library_needs_no_cpp_runtime(compiler, tmp_path, monkeypatch):
  monkeypatch.setenv('HOME', str(tmp_path / 'absent'))
  target = tmp_path / 'folder' / 'liblinac.so'
  compile_library(target, compiler, jax.ffi.include_dir())

  assert [*tmp_path.rglob('*')] == [target.parent, target]
  assert b'libstdc++' not in target.read_bytes()
  library = ctypes.CDLL(str(target))
  library.linac_source_hash.restype = ctypes.c_char_p
  assert library.linac_source_hash().decode() == source_hash()


@pytest.mark.nightly
def test_the_bits_do_not_depend_on_the_compiler(
  compiler, objects, tmp_path, monkeypatch
):
  program = tmp_path / 'call_kernel'
  problems.compile_program(program, compiler, objects)
  problem, expected = problems.tiny()
  images = np.random.default_rng(0).normal(size=(2, 32, 32, 3))
  larger = Problem.of(images, LinacConfig(num_epochs=1))
  bits, kernels = set(), []
  for kernel in ('avx512', 'avx2', 'portable'):
    monkeypatch.setenv('LINAC_KERNEL', kernel)
    with contextlib.suppress(ValueError):
      kernel_name()
      kernels.append(kernel)
  for kernel in kernels:
    monkeypatch.setenv('LINAC_KERNEL', kernel)
    problems.check_bits(problems.run_program(problem, program), expected)
    results = problems.run_program(larger, program)
    bits.add(b''.join(result.tobytes() for result in results))
  assert len(bits) == 1


def test_the_hash_depends_on_names_contents_and_flags(tmp_path, monkeypatch):
  shutil.copytree(compilation.SOURCE, tmp_path, dirs_exist_ok=True)
  monkeypatch.setattr(compilation, 'SOURCE', tmp_path)
  hashes = [source_hash()]
  with (tmp_path / 'fit.h').open('a') as file:
    file.write('\n')
  hashes.append(source_hash())
  (tmp_path / 'fit.h').rename(tmp_path / 'fat.h')
  hashes.append(source_hash())
  monkeypatch.setattr(compilation, 'COMMON_FLAGS', ('-O0',))
  hashes.append(source_hash())
  assert len({*hashes}) == 4


@pytest.mark.parametrize(
  ('compiler', 'message'),
  [
    ('no-such-compiler', "'no-such-compiler' does not start.*unset CXX"),
    ('false', 'failed with status 1:\nfalse .*unset it'),
  ],
)
def test_a_compiler_that_does_not_work_is_named(tmp_path, compiler, message):
  with pytest.raises(RuntimeError, match=f'(?s){message}'):
    compile_library(tmp_path / 'library', [compiler], tmp_path)
  assert not any(tmp_path.iterdir())


@pytest.mark.nightly
def test_the_files_for_different_cpus_share_no_function(objects):
  """The linker would keep one copy, perhaps one that a CPU cannot run."""
  if not shutil.which('nm'):
    pytest.skip('there is no nm, which lists the functions of a file')
  names = []
  for path in objects:
    command = ['nm', '--defined-only', '--extern-only', '-P', path]
    lines = subprocess.check_output(command, text=True).splitlines()
    names += [line.split()[0] for line in lines]
  assert len(names) > 4
  assert len(names) == len({*names})
