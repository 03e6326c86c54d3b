"""Tests of other architectures than this machine's, by cross-compilation."""

import platform
import shutil
import sys

import jax.ffi
import pytest

from tests.transforms.canonical import problems
from transforms.canonical import compile as compilation

ZIG = compilation.zig_compiler()[:-2]  # This is without a target.


@pytest.mark.nightly
def test_the_fit_on_an_emulated_aarch64(tmp_path):
  if not shutil.which('qemu-aarch64'):
    pytest.skip('there is no qemu-aarch64: install the package qemu-user')
  # Linked statically, the program needs no other file of that architecture.
  compiler = [*ZIG, '-target', 'aarch64-linux-musl']
  objects = compilation.compile_objects(
    tmp_path, compiler, jax.ffi.include_dir(), 'aarch64'
  )
  program = tmp_path / 'program'
  problems.compile_program(program, compiler, objects, '-static')
  problem, expected = problems.tiny()
  for arguments in ((), ('hostile',)):
    results = problems.run_program(problem, 'qemu-aarch64', program, *arguments)
    problems.check_bits(results, expected)


@pytest.mark.nightly
@pytest.mark.parametrize(
  ('system', 'machine', 'start'),
  [
    # Each is the start of a file's header, with the number of an architecture.
    ('linux', 'x86_64', f'7f454c46020101{"00" * 9}03003e00'),
    ('linux', 'aarch64', f'7f454c46020101{"00" * 9}0300b700'),
    ('darwin', 'arm64', 'cffaedfe0c000001'),
  ],
)
def test_the_library_for_other_machines(
  tmp_path, monkeypatch, system, machine, start
):
  monkeypatch.setattr(sys, 'platform', system)
  monkeypatch.setattr(platform, 'machine', lambda: machine)
  library = tmp_path / compilation.library_name()
  compiler, include = compilation.zig_compiler(), jax.ffi.include_dir()
  compilation.compile_library(library, compiler, include, machine)
  assert library.read_bytes().startswith(bytes.fromhex(start))
