"""Tests that the C++ sources compile, and into what."""

import ctypes
import shutil
import subprocess

import jax.ffi
import numpy as np
import pytest

from transforms.canonical import compile as compilation
from transforms.canonical.compile import compile_library, source_hash

COMPILERS = {'g++': ['g++'], 'zig': compilation.zig_compiler()}


@pytest.mark.parametrize('compiler', COMPILERS)
def test_a_library_without_a_cpp_runtime(tmp_path, monkeypatch, compiler):
  if compiler == 'g++' and not shutil.which('g++'):
    pytest.skip('there is no g++')
  monkeypatch.setenv('HOME', str(tmp_path / 'absent'))
  target = tmp_path / 'folder' / 'liblinac.so'
  compile_library(target, COMPILERS[compiler], jax.ffi.include_dir())

  assert [*tmp_path.rglob('*')] == [target.parent, target]
  assert b'libstdc++' not in target.read_bytes()
  library = ctypes.CDLL(str(target))
  library.linac_source_hash.restype = ctypes.c_char_p
  assert library.linac_source_hash().decode() == source_hash()
  assert library.linac_fit_1
  x, y = np.float32([1, 2]), np.float32([10, 20])
  floats = np.ctypeslib.ndpointer(np.float32)
  library.linac_add.argtypes = [ctypes.c_float, floats, floats, ctypes.c_int64]
  library.linac_add(3, x, y, 2)
  assert y.tolist() == [13, 26]


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


def test_the_files_for_different_cpus_share_no_function(tmp_path):
  """The linker would keep one copy, perhaps one that a CPU cannot run."""
  if not shutil.which('nm'):
    pytest.skip('there is no nm, which lists the functions of a file')
  names = []
  for path in compilation.compile_objects(
    tmp_path, compilation.zig_compiler(), jax.ffi.include_dir()
  ):
    command = ['nm', '--defined-only', '--extern-only', '-P', path]
    lines = subprocess.check_output(command, text=True).splitlines()
    names += [line.split()[0] for line in lines]
  assert len(names) > 4
  assert len(names) == len({*names})
