"""Tests that the wheel holds all files that a worker needs."""

import shlex
import shutil
import subprocess
import sys

import apache_beam as beam
import pytest
import tensorflow_datasets as tfds
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.portability.fn_api_runner import FnApiRunner
from apache_beam.transforms.environments import SubprocessSDKEnvironment

from linac_config.shadowed import OURS as PACKAGES
from pipelines.plan.saved_plan import save_plan
from pipelines.runners.pipeline import build_datasets
from tests.conftest import REPOSITORY
from tests.linac_tfds.build_process_test import READ_AND_BUILD
from tests.pipelines.conftest import Lab
from tests.users_folder import TINY_OPTIONS, end, put_modules, start


@pytest.fixture(scope='module')
def installed(tmp_path_factory):
  """A folder that holds the packages of the wheel and no others."""
  # The wheel is built from a copy, because building it leaves folders behind.
  checkout = tmp_path_factory.mktemp('checkout')
  for name in ('setup.py', 'pyproject.toml', 'README.md'):
    shutil.copy(REPOSITORY / name, checkout)
  for name in PACKAGES:
    shutil.copytree(REPOSITORY / name, checkout / name)
  pip = [sys.executable, '-m', 'pip', '--quiet', '--disable-pip-version-check']
  wheels, folder = checkout / 'wheels', checkout / 'installed'
  # No index is needed, because all requirements are installed already.
  offline = ['--no-deps', '--no-index']
  for command in (
    [*pip, 'wheel', *offline, '--no-build-isolation', '-w', wheels, checkout],
    [
      *pip,
      'install',
      *offline,
      '--target',
      folder,
      '--find-links',
      wheels,
      'linac-tfds',
    ],
  ):
    subprocess.run(command, check=True, capture_output=True)
  return folder


def worker_command(folder, cwd) -> str:
  """Returns the start of a command that finds the project only in `folder`."""
  cwd.mkdir()
  return (
    f'cd {shlex.quote(str(cwd))} && exec env '
    f'PYTHONPATH={shlex.quote(str(folder))} {shlex.quote(sys.executable)} '
  )


def test_two_seeds_on_two_workers_of_the_wheel(installed, sample_dir, tmp_path):
  python = worker_command(installed, tmp_path / 'empty')
  where = f'import {", ".join(PACKAGES)}; print(transforms.__file__)'
  found = subprocess.check_output(
    f'{python} -c {shlex.quote(where)}', shell=True, text=True
  )
  assert found.startswith(str(installed))

  lab = Lab(sample_dir)
  plans = [lab.plan(seed=1), lab.plan(seed=2)]
  for plan in plans:
    save_plan(plan)
  runner = FnApiRunner(
    default_environment=SubprocessSDKEnvironment.from_command_string(
      f'{python} -m apache_beam.runners.worker.sdk_worker_main'
    )
  )
  options = PipelineOptions([], direct_num_workers=2)
  with beam.Pipeline(runner=runner, options=options) as root:
    build_datasets(root, [str(plan.staging) for plan in plans])
  representations = []
  for plan in plans:
    builder = tfds.builder_from_directory(plan.directory)
    example = next(iter(tfds.as_numpy(builder.as_dataset('test'))))
    representations.append(example['representation'])
  assert (representations[0] != representations[1]).any()


def test_every_file_of_the_packages_is_in_the_wheel(installed):
  files = [
    path.relative_to(REPOSITORY)
    for package in PACKAGES
    for path in (REPOSITORY / package).rglob('*.*')
    if path.is_file() and path.parent.name != '__pycache__'
  ]
  assert any(path.suffix == '.bib' for path in files)
  assert [path for path in files if not (installed / path).exists()] == []


def test_the_wheel_beside_folders_of_the_users(installed, sample_dir, tmp_path):
  """Unlike a checkout, the wheel comes after a script's folder on the path."""
  for name in ('transforms', 'pipelines'):
    put_modules(tmp_path / name, '__init__')
  (tmp_path / 'script.py').write_text(READ_AND_BUILD)
  status, output, errors = end(
    start(tmp_path, 'script.py', str(sample_dir), project=installed)
  )
  assert status == 0, errors
  assert '4 fitted' in output

  put_modules(tmp_path, 'queue', 'random')
  linac = installed / 'bin' / 'linac'
  status, output, errors = end(
    start(
      tmp_path,
      *(str(linac), 'build', *TINY_OPTIONS, '--seed=7'),
      *('--max_examples_per_split=2', f'--data_dir={sample_dir}'),
      project=installed,
    )
  )
  assert status == 0, errors
  assert 'nothing was fitted' in output
