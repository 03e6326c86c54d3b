"""Tests that the wheel holds all files that a worker needs."""

import os
import pathlib
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tomllib

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
from transforms.canonical.compile import library_name

_PIP = [sys.executable, '-m', 'pip', '--quiet', '--disable-pip-version-check']
_BUILD_SYSTEM = tomllib.loads((REPOSITORY / 'pyproject.toml').read_text())[
  'build-system'
]


@pytest.fixture(scope='module')
def checkout(tmp_path_factory) -> pathlib.Path:
  """A copy of the code, because building leaves folders behind."""
  folder = tmp_path_factory.mktemp('checkout')
  for name in ('setup.py', 'pyproject.toml', 'README.md'):
    shutil.copy(REPOSITORY / name, folder)
  for name in PACKAGES:
    shutil.copytree(
      REPOSITORY / name,
      folder / name,
      ignore=shutil.ignore_patterns('__pycache__', library_name()),
    )
  return folder


@pytest.fixture(scope='module')
def build_environment(tmp_path_factory) -> dict[str, str]:
  """The variables of a process that finds what building needs.

  pip would make such an environment itself. It would also install what jaxlib
  needs when it runs, and do so once for each of the tests.
  """
  folder = tmp_path_factory.mktemp('build_environment')
  requirements = _BUILD_SYSTEM['requires']
  subprocess.run(
    [*_PIP, 'install', '--no-deps', '--target', folder, *requirements],
    check=True,
  )
  environment = os.environ | {'PYTHONPATH': str(folder)}
  environment.pop('CXX', None)
  return environment


@pytest.fixture(scope='module')
def wheel(checkout, build_environment) -> pathlib.Path:
  command = [*_PIP, 'wheel', '--no-deps', '--no-index', '--no-build-isolation']
  subprocess.run(
    [*command, '-w', checkout / 'wheels', checkout],
    env=build_environment,
    check=True,
    capture_output=True,
  )
  (path,) = (checkout / 'wheels').iterdir()
  return path


@pytest.fixture(scope='module')
def installed(wheel, tmp_path_factory) -> pathlib.Path:
  """A folder that holds the packages of the wheel and no others."""
  folder = tmp_path_factory.mktemp('installed')
  subprocess.run(
    [*_PIP, 'install', '--no-deps', '--no-index', '--target', folder, wheel],
    check=True,
    capture_output=True,
  )
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


def test_the_wheel_is_for_all_pythons_on_one_platform(wheel, installed):
  assert re.fullmatch(
    rf'linac_tfds-[\d.]+-py3-none-\w+_{platform.machine()}.whl', wheel.name
  )
  canonical = installed / 'transforms' / 'canonical'
  assert (canonical / library_name()).exists()
  assert (canonical / 'source' / 'handler.cc').exists()
  load = 'from transforms.canonical import library; print(library.load()._name)'
  loaded = subprocess.check_output(
    [sys.executable, '-c', load],
    cwd=installed.parent,
    env=os.environ | {'PYTHONPATH': str(installed)},
    text=True,
  )
  assert loaded.strip() == str(canonical / library_name())


def test_the_source_distribution_holds_what_building_needs(
  checkout, build_environment, tmp_path
):
  build = 'import sys, setuptools.build_meta as b; b.build_sdist(sys.argv[1])'
  subprocess.run(
    [sys.executable, '-c', build, tmp_path],
    cwd=checkout,
    env=build_environment,
    check=True,
    capture_output=True,
  )
  (path,) = tmp_path.iterdir()
  with tarfile.open(path) as archive:
    names = {name.partition('/')[2] for name in archive.getnames()}
  assert {'setup.py', 'pyproject.toml', 'README.md'} <= names
  folder = 'transforms/canonical'
  assert {
    path.relative_to(REPOSITORY).as_posix()
    for path in (REPOSITORY / folder).rglob('*.*')
    if path.suffix in ('.py', '.cc', '.h', '.cu', '.ptx')
  } == {name for name in names if name.startswith(f'{folder}/') and '.' in name}


def test_building_refuses_the_headers_of_another_jaxlib(
  checkout, build_environment, tmp_path
):
  metadata = tmp_path / 'jaxlib-99.0.dist-info' / 'METADATA'
  metadata.parent.mkdir()
  metadata.write_text('Name: jaxlib\nVersion: 99.0\n')
  path = f'{tmp_path}{os.pathsep}{build_environment["PYTHONPATH"]}'
  process = subprocess.run(
    [sys.executable, 'setup.py', 'build_ext'],
    cwd=checkout,
    env=build_environment | {'PYTHONPATH': path},
    capture_output=True,
    text=True,
  )
  assert process.returncode == 1
  message = 'needs the headers of jaxlib==.* there is jaxlib==99.0'
  assert re.search(message, process.stderr)


def test_what_building_needs_agrees_with_the_other_requirements():
  pins = dict(
    requirement.split('==') for requirement in _BUILD_SYSTEM['requires']
  )
  setup = (REPOSITORY / 'setup.py').read_text()
  oldest = re.search("'jax>=(.*)'", setup)[1]
  assert pins.pop('jaxlib') == f'{oldest}.0'
  constraints = (REPOSITORY / 'constraints.txt').read_text().splitlines()
  assert {f'{name}=={pin}' for name, pin in pins.items()} <= {*constraints}


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
