"""A folder as users have it: modules of their own, with names like ours."""

import os
import pathlib
import subprocess
import sys

from tests.conftest import REPOSITORY

# As the command's script in an environment's bin/ does.
LINAC = 'import sys; from linac_cli.main import main; sys.exit(main())'
# A fit of milliseconds.
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
  """Writes modules that nobody is to import."""
  folder.mkdir(exist_ok=True)
  for name in names:
    (folder / f'{name}.py').write_text(f'raise RuntimeError("a {name}.py")\n')


def environment(project: pathlib.Path = REPOSITORY) -> dict[str, str]:
  """Of a process that finds this project in a folder."""
  return os.environ | {'PYTHONPATH': str(project), 'TF_CPP_MIN_LOG_LEVEL': '3'}


def start_linac(
  folder: pathlib.Path, *arguments: str, project: pathlib.Path = REPOSITORY
) -> subprocess.Popen:
  """Types `linac ...` in a folder."""
  script = folder.parent / 'bin' / 'linac'
  script.parent.mkdir(exist_ok=True)
  script.write_text(LINAC)
  return start(folder, str(script), *arguments, project=project)


def start(
  folder: pathlib.Path, *arguments: str, project: pathlib.Path = REPOSITORY
) -> subprocess.Popen:
  """Types `python ...` in a folder."""
  return subprocess.Popen(
    [sys.executable, *arguments],
    cwd=folder,
    env=environment(project),
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )


def end(process: subprocess.Popen) -> tuple[int, str, str]:
  """Waits; returns the exit status, the output and the errors."""
  output, errors = process.communicate(timeout=300)
  return process.returncode, output, errors
