"""Tells of modules that hide this project's, or Python's own, by their name.

A `transforms.py` or a `queue.py` does so in a folder that Python looks in
first, such as a script's. Any module may be hidden: this one imports next to
none.
"""

import os
import sys
from importlib.machinery import FrozenImporter, PathFinder

# The folder of this project's packages.
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
OURS = (
  'classifiers',
  'linac_cli',
  'linac_config',
  'linac_tfds',
  'pipelines',
  'transforms',
)
_STANDARD = os.path.dirname(os.path.abspath(os.__file__))
_STANDARD_FOLDERS = [_STANDARD, os.path.join(_STANDARD, 'lib-dynload')]


def hiding(name: str) -> tuple[str, str] | None:
  """The file that Python finds in place of a module, and the module's own.

  Args:
    name: of one of this project's packages, or of a module of Python's.

  Returns:
    The two, or None where nothing hides it.
  """
  own = _own_file(name)
  found = own and _found_file(name)
  if not found or os.path.realpath(found) == os.path.realpath(own):
    return None
  return found, own


def _own_file(name: str) -> str | None:
  if name in OURS:
    return os.path.join(ROOT, name, '__init__.py')
  # Setuptools has a distutils of its own.
  if name == 'distutils' or name not in sys.stdlib_module_names:
    return None
  if name in sys.builtin_module_names or FrozenImporter.find_spec(name):
    return None  # Found before any file.
  spec = PathFinder.find_spec(name, _STANDARD_FOLDERS)
  return spec and spec.origin


def _found_file(name: str) -> str | None:
  """The file of a module that is loaded or would be."""
  if name in sys.modules:
    module = sys.modules[name]
    file, folders = getattr(module, '__file__', None), ()
    if name in OURS:
      folders = getattr(module, '__path__', ())
  else:
    spec = PathFinder.find_spec(name)
    if spec is None:
      return None
    file, folders = spec.origin, spec.submodule_search_locations or ()
  return file or next(iter(folders), None)  # A folder without `__init__.py`.


def check(*names: str) -> None:
  """Refuses to go on with a module that is not the one meant.

  Under `python -m`, whatever is hidden ends the process with a line when it is
  imported. Others get an exception, now.

  Args:
    *names: of this project's packages that the caller imports.

  Raises:
    ImportError: naming both files.
  """
  # As long as Python looks for the module to run, that is the first argument.
  if getattr(sys, 'argv', [])[:1] == ['-m']:
    watch()
    return
  for name in names:
    if files := hiding(name):
      raise ImportError(_message(name, files), name=name, path=files[0])


def watch() -> None:
  """Ends the process, with a line, where it imports what hides a module."""
  if not any(isinstance(finder, _Watch) for finder in sys.meta_path):
    finders = sys.meta_path
    first = finders.index(PathFinder) if PathFinder in finders else 0
    finders.insert(first, _Watch())


class _Watch:
  """Looks at every import before Python looks for files."""

  def find_spec(self, name: str, path=None, target=None) -> None:
    del target
    if path is None and (files := hiding(name)):
      os.write(2, f'error: {_message(name, files)}\n'.encode())
      os._exit(2)


def explain(error: BaseException) -> None:
  """Raises a better error if a module that hides Python's own is the cause.

  Args:
    error: that ended an import.

  Raises:
    ImportError: naming both files.
  """
  concerned = _files_of(error)
  for name in sorted(sys.stdlib_module_names):
    files = hiding(name)
    if files and (name in sys.modules or files[0] in concerned):
      raise ImportError(
        _message(name, files), name=name, path=files[0]
      ) from error


def _files_of(error: BaseException | None) -> set[str]:
  """The files whose code an exception came through."""
  files = set()
  while error is not None:
    frames = error.__traceback__
    while frames is not None:
      files.add(frames.tb_frame.f_code.co_filename)
      frames = frames.tb_next
    error = error.__cause__ or error.__context__
  return files


def _message(name: str, files: tuple[str, str]) -> str:
  found, own = files
  whose = "this project's" if name in OURS else "Python's own"
  return (
    f'{name} is {found}, which hides {whose} {own}. Rename it, or take its '
    'folder off the import path; the command `linac` leaves out the current '
    'folder.'
  )
