"""The compilation of the C++ sources into one shared library.

`setup.py` loads this file by its path, before anything is installed. So it
imports only the standard library. The library needs no C++ runtime, and of C
only what glibc 2.17 or macOS 11 has; no Python API is used either, so one
library serves all versions of Python.
"""

import concurrent.futures
import hashlib
import os
import pathlib
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence

SOURCE = pathlib.Path(__file__).parent / 'source'
# The handler for GPUs shares the layout of memory with the kernel for GPUs.
KERNEL = pathlib.Path(__file__).parent / 'cuda' / 'kernel'

# The bits depend on these flags: each operation is rounded as it is written.
COMMON_FLAGS = (
  *('-std=c++17', '-O3', '-ffp-contract=off', '-fno-math-errno'),
  *('-fno-exceptions', '-fno-rtti', '-fPIC', '-fvisibility=hidden'),
  # Without debug information, no path of the build is in the library.
  *('-DNDEBUG', '-g0'),
)
# Files that are compiled for x86-64 only, each with flags of its own.
X86_64_FLAGS = {
  'fit_avx2.cc': ('-march=x86-64-v3',),
  'fit_avx512.cc': ('-march=x86-64-v4', '-mprefer-vector-width=512'),
}


def library_name() -> str:
  """Returns the name of the library's file on this system."""
  return 'liblinac.dylib' if sys.platform == 'darwin' else 'liblinac.so'


def zig_compiler() -> list[str]:
  """Returns the command of the ziglang wheel's compiler for this machine.

  The target is named, because zig otherwise uses all instructions of the CPU
  that it runs on, and the C library of this system.
  """
  machine = {'arm64': 'aarch64'}.get(platform.machine(), platform.machine())
  system = 'macos.11.0' if sys.platform == 'darwin' else 'linux-gnu.2.17'
  return [
    *(sys.executable, '-m', 'ziglang', 'c++'),
    *('-target', f'{machine}-{system}'),
  ]


def source_hash() -> str:
  """Returns the SHA-256 of the sources and their flags, in hexadecimal."""
  digest = hashlib.sha256(repr((COMMON_FLAGS, X86_64_FLAGS)).encode())
  for path in sorted(
    [*SOURCE.glob('*.cc'), *SOURCE.glob('*.h'), *KERNEL.glob('*.h')]
  ):
    contents = path.read_bytes()
    # With the length, no part of one file can pass for a part of the next.
    digest.update(f'{path.name} {len(contents)}\n'.encode() + contents)
  return digest.hexdigest()


def compile_library(
  target: pathlib.Path,
  compiler: Sequence[str],
  include: pathlib.Path,
  machine: str = platform.machine(),
) -> None:
  """Compiles the sources and puts the library in place.

  A process that has loaded the library that was there before keeps it.

  Args:
    target: The file to write.
    compiler: The command of the C++ compiler, such as `['g++']`.
    include: The folder that holds `xla/ffi/api/c_api.h`.
    machine: The architecture that the compiler compiles for.

  Raises:
    RuntimeError: The compiler is absent or refuses the sources.
  """
  with tempfile.TemporaryDirectory() as folder:
    objects = compile_objects(pathlib.Path(folder), compiler, include, machine)
    library = pathlib.Path(folder) / target.name
    run_compiler(
      [
        *(*compiler, '-shared', '-O3', '-g0', *_link_flags(compiler)),
        *(*map(str, objects), '-lm', '-lpthread', '-ldl', '-o', str(library)),
      ],
      pathlib.Path(folder),
    )
    copy = target.with_name(f'{target.name}.{os.getpid()}')
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(library, copy)
    copy.replace(target)


def compile_objects(
  folder: pathlib.Path,
  compiler: Sequence[str],
  include: pathlib.Path,
  machine: str = platform.machine(),
) -> list[pathlib.Path]:
  """Compiles each source into an object file in a folder.

  Args:
    folder: The folder to write to.
    compiler: The command of the C++ compiler.
    include: The folder that holds `xla/ffi/api/c_api.h`.
    machine: The architecture that the compiler compiles for.

  Returns:
    The object files.
  """
  is_x86_64 = machine.lower() in ('x86_64', 'amd64')
  common = [
    *(*compiler, *COMMON_FLAGS, f'-DLINAC_SOURCE_HASH="{source_hash()}"'),
    *('-I', str(include)),
  ]

  def compile_source(source: pathlib.Path) -> pathlib.Path:
    target = folder / f'{source.stem}.o'
    flags = _flags(source.name, compiler) if is_x86_64 else []
    run_compiler(
      [*common, *flags, '-c', str(source), '-o', str(target)], folder
    )
    return target

  sources = [
    path
    for path in sorted(SOURCE.glob('*.cc'))
    if is_x86_64 or path.name not in X86_64_FLAGS
  ]
  with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    return list(pool.map(compile_source, sources))


def run_compiler(command: Sequence[str], folder: pathlib.Path) -> None:
  """Runs a command of a compiler.

  Args:
    command: The command and its arguments.
    folder: A temporary folder, where zig keeps what it compiles for itself. It
      would otherwise use the home folder, which may be absent or read-only.

  Raises:
    RuntimeError: The compiler is absent, or it failed.
  """
  cache = str(folder / 'zig')
  caches = {'ZIG_GLOBAL_CACHE_DIR': cache, 'ZIG_LOCAL_CACHE_DIR': cache}
  try:
    process = subprocess.run(
      command,
      env=os.environ | caches,
      capture_output=True,
      encoding='utf-8',
      errors='replace',
    )
  except OSError as error:
    raise RuntimeError(
      f'The C++ compiler {command[0]!r} does not start: {error}. Set CXX to '
      'another one, or unset CXX to use the one from the ziglang wheel.'
    ) from error
  if process.returncode:
    raise RuntimeError(
      f'The C++ compiler failed with status {process.returncode}:\n'
      f'{shlex.join(command)}\n{process.stdout}{process.stderr}\n'
      'If CXX is set, it must be GCC 12, Clang 12 or newer; unset it to use '
      'the compiler from the ziglang wheel.'
    )


def _is_zig(compiler: Sequence[str]) -> bool:
  return any(pathlib.Path(part).name in ('zig', 'ziglang') for part in compiler)


def _flags(name: str, compiler: Sequence[str]) -> list[str]:
  """Returns the flags that only one of the sources is compiled with."""
  flags = X86_64_FLAGS.get(name, ())
  if not _is_zig(compiler):
    return list(flags)
  # zig writes the names of CPUs with underscores.
  return [flag.replace('x86-64-v', 'x86_64_v') for flag in flags]


def _link_flags(compiler: Sequence[str]) -> list[str]:
  """Returns the flags that leave out the C++ runtime and forbid to need it."""
  if sys.platform == 'darwin':
    return ['-nostdlib++']
  # GCC has no -nostdlib++ before version 13; zig would compile libc++.
  flags = ['-nostdlib++'] if _is_zig(compiler) else []
  return [*flags, '-Wl,--as-needed', '-Wl,-z,defs']
