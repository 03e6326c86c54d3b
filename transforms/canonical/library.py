"""The compiled library, found beside this file and checked before its use."""

import ctypes
import functools
import pathlib
import re

from linac_config.errors import CannotFitError

from .compile import library_name, source_hash

_INSTALL = (
  "Run `pip install -e .` in the project's folder, with the options that you "
  'installed it with; that compiles the library.'
)


@functools.cache
def load() -> ctypes.CDLL:
  """Returns the library, loaded once.

  Raises:
    CannotFitError: The library is absent, does not fit this machine, was
      compiled from other sources, or needs a newer JAX. XLA has not seen it
      then, so JAX can be used for everything else.
  """
  file = path()
  if not file.exists():
    raise CannotFitError(
      f'The compiled library {str(file)!r} is missing. {_INSTALL}'
    )
  try:
    library = ctypes.CDLL(str(file))
  except OSError as error:
    raise CannotFitError(
      f'The compiled library {str(file)!r} cannot be loaded here: {error}. '
      f'{_INSTALL}'
    ) from error
  _check_sources(file, library)
  _check_ffi_api(file, library)
  library.linac_kernel.restype = ctypes.c_char_p
  return library


def path() -> pathlib.Path:
  """Returns the path of the library's file."""
  return pathlib.Path(__file__).parent / library_name()


def _check_sources(path: pathlib.Path, library: ctypes.CDLL) -> None:
  library.linac_source_hash.restype = ctypes.c_char_p
  compiled, sources = library.linac_source_hash().decode(), source_hash()
  if compiled != sources:
    raise CannotFitError(
      f'{str(path)!r} was compiled from other sources (hash {compiled[:12]}) '
      f'than those beside it (hash {sources[:12]}). {_INSTALL}'
    )


def _check_ffi_api(path: pathlib.Path, library: ctypes.CDLL) -> None:
  """Checks that the installed JAX has what the library was compiled for.

  JAX's own check comes too late: a handler that is too new makes the whole of
  an older JAX unusable.
  """
  major, minor = library.linac_ffi_api_major(), library.linac_ffi_api_minor()
  jax_major, jax_minor = _ffi_api_of_jax()
  if major != jax_major or minor > jax_minor:
    raise CannotFitError(
      f"{str(path)!r} was compiled for version {major}.{minor} of XLA's FFI "
      f'API, and the installed jaxlib has version {jax_major}.{jax_minor}. The '
      "major numbers must be equal, and jaxlib's minor number must be at least "
      "the library's. Install the jax that setup.py of this project asks for, "
      'and then this project again.'
    )


def _ffi_api_of_jax() -> tuple[int, int]:
  """Returns the major and minor version that the headers of JAX name."""
  import jax.ffi

  header = pathlib.Path(jax.ffi.include_dir()) / 'xla/ffi/api/c_api.h'
  found = dict(
    re.findall(
      r'^#define XLA_FFI_API_(MAJOR|MINOR) (\d+)$',
      header.read_text(encoding='utf-8'),
      re.MULTILINE,
    )
  )
  return int(found['MAJOR']), int(found['MINOR'])
