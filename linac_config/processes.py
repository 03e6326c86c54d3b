"""The cores, command lines and import paths of this project's processes.

A process that this project starts finds this project and the libraries of the
process that starts it. It does not look in the current folder or in the folder
of the user's script, because users may have modules there that are called
`transforms.py`, `queue.py` or `random.py`.
"""

import contextlib
import os
import re
import sys

from linac_config.shadowed import OURS, ROOT

# This environment variable holds the id of a process. The process that finds it
# set ends when that one has ended.
PARENT_PID = 'LINAC_PARENT_PID'
# This environment variable is set if a process's output goes at once to a
# terminal or notebook, which can redraw a line such as a progress bar.
REDRAWS = 'LINAC_REDRAWS'

# The line in which C++, Python, or a library that logs as JAX does, reports a
# fatal error.
_FATAL = r'^(?: +what\(\): +|F\d{4} \S+ +\d+ \S+\] |(?=Fatal Python error))(.*)'
# The last line of a traceback. An error of gRPC only tells that the process at
# the other end is gone.
_EXCEPTION = (
  r'^Traceback \(most recent call last\):\n(?:[ \t].*\n|\n)*(?!grpc\.)(\S.*)'
)


def num_cores() -> int:
  """Returns the number of cores on which this process may run."""
  if hasattr(os, 'sched_getaffinity'):  # Linux only.
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


def python_module(
  module: str, *arguments: object
) -> tuple[list[str], dict[str, str]]:
  """Returns a command line that runs a module of this project.

  Args:
    module: The name of the module.
    *arguments: The arguments of the module's command line.

  Returns:
    The command, and the variables to add to its environment.
  """
  # -P leaves the current folder out of the import path; -m alone would put it
  # first.
  command = [sys.executable, '-P', '-m', module, *map(str, arguments)]
  return command, {
    'PYTHONPATH': os.pathsep.join(import_path()),
    # See `entry.begin_imports`.
    'PYTHONWARNINGS': '',
  }


def import_path() -> list[str]:
  """Returns this process's import path without the user's own folders.

  This project keeps its place in the path, unless a folder before it has a
  module of the same name; then it is moved to the front of that folder.
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


def past_proxies() -> dict[str, str]:
  """Returns the variables with which gRPC uses no proxy on this machine.

  The processes of a build talk to each other by gRPC. A proxy, which clusters
  name in `http_proxy`, would not forward that.
  """
  # gRPC reads `no_proxy` only if `no_grpc_proxy` is not set.
  no_proxy = os.environ.get('no_proxy', '')
  no_proxy = os.environ.get('no_grpc_proxy', no_proxy)  # noqa: SIM112
  return {'no_grpc_proxy': f'localhost,127.0.0.1,::1,{no_proxy}'.rstrip(',')}


def last_words(output: str) -> str:
  """Finds out why a process died, from its output.

  Args:
    output: The end of its output, in which other processes may have written,
      too.

  Returns:
    The line of the last exception that Python, C++ or JAX reported, or else the
    last line; `''` if there is none.
  """
  for pattern in (_FATAL, _EXCEPTION):
    if found := re.findall(pattern, output, re.MULTILINE):
      return found[-1]
  return output.strip().rpartition('\n')[2]


def _users_folders() -> set[str]:
  """Returns the current folder and the script's, except this project's own."""
  found = set()
  with contextlib.suppress(OSError):  # The current folder may be deleted.
    found.add(os.getcwd())
  main = sys.modules.get('__main__')
  # A main module that was started with `-m` can lie among the libraries, so its
  # folder stays in the path.
  if getattr(main, '__spec__', None) is None and hasattr(main, '__file__'):
    found.add(os.path.dirname(os.path.abspath(main.__file__)))
  return {os.path.realpath(p) for p in found} - {os.path.realpath(ROOT)}


def _has_one_of_our_names(folder: str) -> bool:
  return any(
    os.path.isdir(path) or os.path.isfile(f'{path}.py')
    for path in (os.path.join(folder, name) for name in OURS)
  )
