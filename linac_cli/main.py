"""Finds the module of a command and calls its `main`.

Modules of the user's in the current folder, such as `transforms.py` or
`queue.py`, are not imported by this process nor by the processes that it
starts.
"""

from __future__ import annotations

import importlib
import os
import sys

from linac_config import entry, invocation, processes, shadowed

_HELP = """\
usage: linac COMMAND [OPTION]...

Fits LINAC representations of images once, as a dataset, and uses them.

commands, and their common options:
  build     build datasets, or continue a build that stopped
              --source NAME --seed N|--seeds A:B --data_dir DIR --plan
  status    show the progress of a build: running, stopped or finished
              DATASET_DIR --watch
  verify    check a published dataset: its files, contents and some fits
              DATASET_DIR --source_data_dir DIR --quick
  report    write a web page about a published dataset, with pictures
              DATASET_DIR --output DIR
  train     train a classifier, or continue a training that stopped
              --dataset NAME --out_dir DIR --data_dir DIR --inputs image
  evaluate  measure the accuracy of a classifier
              MODEL --dataset NAME --data_dir DIR
  attack    attack a classifier
              ATTACK MODEL --dataset NAME --data_dir DIR --images N
  import    convert the published classifier's parameters
              FILE OUT

options:
  -h, --help  show this text; `linac COMMAND --help` shows all options of a
              command
  --version   show the version
"""
# The extra of pip that installs a package which some commands need.
_EXTRAS = {
  'jinja2': 'viz',
  'matplotlib': 'viz',
  'orbax': 'classifiers',
  'safetensors': 'classifiers',
}


def main(argv: list[str] | None = None) -> int:
  """Runs a command.

  Args:
    argv: The command and its options. If it is None, they are those of this
      process, whose import path and signals are then set up for commands.

  Returns:
    The exit status of the command, or 2 if there is no such command.
  """
  if argv is None:
    argv = sys.argv[1:]
    _ready_process()
  if not argv:
    print(_HELP, end='', file=sys.stderr)
    return 2
  name, *arguments = argv
  if name in ('-h', '--help'):
    print(_HELP, end='')
    return 0
  if name == '--version':
    print(f'linac {_version()}')
    return 0
  if name not in invocation.COMMANDS:
    print(f'error: {_unknown(name)}', file=sys.stderr)
    return 2
  return _run(name, arguments)


def _ready_process() -> None:
  entry.begin_imports()
  sys.path[:] = processes.import_path()
  shadowed.watch()
  if pid := os.environ.pop(processes.PARENT_PID, None):
    from pipelines.runners.local import parent

    parent.end_with(int(pid))
    # The import path is set, so the variable is no longer needed. It could
    # mislead other Python programs that this process starts, such as gcloud.
    os.environ.pop('PYTHONPATH', None)


def _run(name: str, arguments: list[str]) -> int:
  invocation.set_started_by_linac()
  try:
    module = importlib.import_module(invocation.COMMANDS[name])
  except ModuleNotFoundError as error:
    package = (error.name or '').partition('.')[0]
    if package not in _EXTRAS:
      raise
    print(
      f"error: {package} is missing; pip install -e '.[{_EXTRAS[package]}]'.",
      file=sys.stderr,
    )
    return 2
  entry.end_imports()
  return module.main(arguments)


def _unknown(name: str) -> str:
  if name.startswith('-'):
    return (
      f'unknown option {name.partition("=")[0]}. Options follow a command: '
      '`linac COMMAND [OPTION]...`; `linac --help` lists the commands.'
    )
  import difflib

  near = difflib.get_close_matches(name, invocation.COMMANDS, 1)
  hint = f'Did you mean {near[0]}?' if near else '`linac --help` lists them.'
  return f'unknown command {name!r}. {hint}'


def _version() -> str:
  from importlib import metadata

  try:
    return metadata.version('linac-tfds')
  except metadata.PackageNotFoundError:
    return '(not installed)'
