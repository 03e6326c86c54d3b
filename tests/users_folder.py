"""Helpers that make a user's folder, with modules that are named like ours."""

import os
import pathlib
import subprocess
import sys

from tests.conftest import REPOSITORY

# The script that an installation puts into bin/ does the same.
LINAC = 'import sys; from linac_cli.main import main; sys.exit(main())'
# A fit of this transform takes milliseconds.
TINY = {
  'source': 'sample',
  'num_layers': 2,
  'width': 8,
  'num_features': 2,
  'representation_layer': 1,
  'num_epochs': 1,
  'batch_size': 128,
}
TINY_OPTIONS = [f'--{name}={value}' for name, value in TINY.items()]


def put_modules(folder: pathlib.Path, *names: str) -> None:
  """Writes modules that raise an error if they are imported."""
  folder.mkdir(exist_ok=True)
  for name in names:
    (folder / f'{name}.py').write_text(f'raise RuntimeError("a {name}.py")\n')


def environment(project: pathlib.Path = REPOSITORY) -> dict[str, str]:
  """Returns the environment for a process that uses the project in a folder."""
  return os.environ | {'PYTHONPATH': str(project), 'TF_CPP_MIN_LOG_LEVEL': '3'}


def start_linac(
  folder: pathlib.Path, *arguments: str, project: pathlib.Path = REPOSITORY
) -> subprocess.Popen:
  """Starts `linac ...` in a folder."""
  script = folder.parent / 'bin' / 'linac'
  script.parent.mkdir(exist_ok=True)
  script.write_text(LINAC)
  return start(folder, str(script), *arguments, project=project)


def start(
  folder: pathlib.Path, *arguments: str, project: pathlib.Path = REPOSITORY
) -> subprocess.Popen:
  """Starts `python ...` in a folder."""
  return subprocess.Popen(
    [sys.executable, *arguments],
    cwd=folder,
    env=environment(project),
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )


def end(process: subprocess.Popen) -> tuple[int, str, str]:
  """Waits for a process; returns its exit status, output and errors."""
  output, errors = process.communicate(timeout=300)
  return process.returncode, output, errors
