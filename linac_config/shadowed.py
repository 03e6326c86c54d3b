"""Reports modules of the user's that hide ones of this project or of Python.

A module hides another of the same name if Python looks in its folder first. For
example, a `transforms.py` or `queue.py` in the folder of the user's script
hides ours or Python's. Because any module may be hidden, this one imports
almost none.
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
  """Finds the file that hides a module.

  Args:
    name: The name of a package of this project, or of a module of Python's
      standard library.

  Returns:
    The file that Python finds and the module's own file, or None if nothing
    hides the module.
  """
  own = _own_file(name)
  found = own and _found_file(name)
  if not found or os.path.realpath(found) == os.path.realpath(own):
    return None
  return found, own


def _own_file(name: str) -> str | None:
  if name in OURS:
    return os.path.join(ROOT, name, '__init__.py')
  # Setuptools replaces `distutils` by its own, which is no error.
  if name == 'distutils' or name not in sys.stdlib_module_names:
    return None
  if name in sys.builtin_module_names or FrozenImporter.find_spec(name):
    return None  # Python finds these before it looks for any file.
  spec = PathFinder.find_spec(name, _STANDARD_FOLDERS)
  return spec and spec.origin


def _found_file(name: str) -> str | None:
  """Returns the file of a module that is loaded, or that would be loaded."""
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
  # A package without `__init__.py` has only a folder.
  return file or next(iter(folders), None)


def check(*names: str) -> None:
  """Refuses to continue if a module hides a package of this project.

  While `python -m` looks for the module to run, an exception would be shown
  with a traceback. So in this case, the process ends later, with one line, as
  soon as it imports a module that is hidden.

  Args:
    *names: The names of this project's packages that the caller imports.

  Raises:
    ImportError: if one of them is hidden. The message names both files.
  """
  # While Python looks for the module of `-m`, the first argument is '-m'.
  if getattr(sys, 'argv', [])[:1] == ['-m']:
    watch()
    return
  for name in names:
    if files := hiding(name):
      raise ImportError(_message(name, files), name=name, path=files[0])


def watch() -> None:
  """Ends this process with one line as soon as it imports a hidden module."""
  if not any(isinstance(finder, _Watch) for finder in sys.meta_path):
    finders = sys.meta_path
    first = finders.index(PathFinder) if PathFinder in finders else 0
    finders.insert(first, _Watch())


class _Watch:
  """A finder that sees every import before Python looks for files."""

  def find_spec(self, name: str, path=None, target=None) -> None:
    del target
    if path is None and (files := hiding(name)):
      os.write(2, f'error: {_message(name, files)}\n'.encode())
      os._exit(2)


def explain(error: BaseException) -> None:
  """Raises a better error if a hidden module of Python is the cause of one.

  Args:
    error: The exception that ended an import.

  Raises:
    ImportError: if a module hides one of Python's and took part in the import.
      The message names both files.
  """
  concerned = _files_of(error)
  for name in sorted(sys.stdlib_module_names):
    files = hiding(name)
    if files and (name in sys.modules or files[0] in concerned):
      raise ImportError(
        _message(name, files), name=name, path=files[0]
      ) from error


def _files_of(error: BaseException | None) -> set[str]:
  """Returns the files of the code that an exception passed through."""
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
