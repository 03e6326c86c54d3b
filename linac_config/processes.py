"""How this project starts processes of its own code.

They find it, and the libraries of this process, but nothing in the current
folder or a script's: users have modules there that are called `transforms.py`,
`queue.py` or `random.py`.
"""

import contextlib
import os
import sys

from linac_config.shadowed import OURS, ROOT

# Environment variable of a process that must not outlive the one of this id.
PARENT_PID = 'LINAC_PARENT_PID'
# Set where what a process says is shown as it comes, by what redraws a line.
REDRAWS = 'LINAC_REDRAWS'


def python_module(
  module: str, *arguments: object
) -> tuple[list[str], dict[str, str]]:
  """The command line that runs a module, and what its environment needs.

  Args:
    module: of this project.
    *arguments: of its command line.

  Returns:
    The command, and the variables to add to its environment.
  """
  # -P leaves out the current folder, which -m would put first.
  command = [sys.executable, '-P', '-m', module, *map(str, arguments)]
  return command, {'PYTHONPATH': os.pathsep.join(import_path())}


def import_path() -> list[str]:
  """This process's import path, without the user's own modules.

  This project comes where it did, or before what would hide it.
  """
  users = _users_folders()
  others = [p for p in sys.path if p and os.path.realpath(p) not in users]
  others = [os.path.abspath(p) for p in others]
  root = os.path.realpath(ROOT)
  end = len(others)
  places = [i for i, p in enumerate(others) if os.path.realpath(p) == root]
  places += [i for i, p in enumerate(others) if _has_one_of_our_names(p)]
  place = min(places, default=end)
  others[place:place] = [ROOT]
  return list(dict.fromkeys(others))


def _users_folders() -> set[str]:
  """The current folder and the script's, unless this project is there."""
  found = set()
  with contextlib.suppress(OSError):  # It was deleted.
    found.add(os.getcwd())
  main = sys.modules.get('__main__')
  # A module that was run with `-m` lies wherever it was found.
  if getattr(main, '__spec__', None) is None and hasattr(main, '__file__'):
    found.add(os.path.dirname(os.path.abspath(main.__file__)))
  return {os.path.realpath(p) for p in found} - {os.path.realpath(ROOT)}


def _has_one_of_our_names(folder: str) -> bool:
  return any(
    os.path.isdir(path) or os.path.isfile(f'{path}.py')
    for path in (os.path.join(folder, name) for name in OURS)
  )
