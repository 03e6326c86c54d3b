"""Tables of the child processes and of the environment variables.

Each entry names the test that shows the guard: what happens if the process dies
early, or what keeps the variable from doing harm. A process or a variable that
is not in its table fails a test here.
"""

import ast
import re

import pytest

from linac_config import processes
from pipelines.runners.local import launch
from tests.conftest import REPOSITORY
from tests.rooms_test import MODULES

_BUILD = 'tests/pipelines/build_test.py'
_DEVICES = 'tests/pipelines/runners/local/devices_test.py'
# The modules that start processes.
CHILDREN = {
  'linac_tfds/build_process.py': (
    'tests/linac_tfds/build_process_test.py',
    'test_an_end_without_a_word_is_told',
  ),
  'pipelines/files/array_record.py': (
    'tests/pipelines/files/array_record_test.py',
    'test_a_file_that_another_process_cannot_write_is_an_error',
  ),
  'pipelines/runners/local/devices.py': (
    _DEVICES,
    'test_gpus_are_those_that_cuda_would_show',
  ),
  'pipelines/runners/local/launch.py': (
    _BUILD,
    'test_a_process_that_cannot_start_is_explained',
  ),
  'pipelines/runners/local/trial.py': (
    _BUILD,
    'test_a_trial_that_cannot_start_is_explained',
  ),
  # It only asks for its parent's id.
  'pipelines/runners/local/worker.py': (
    'tests/pipelines/runners/local/launch_test.py',
    'test_a_driver_without_a_plan_leaves_no_process',
  ),
  'pipelines/runners/local/workers.py': (
    _BUILD,
    'test_a_process_that_cannot_start_is_explained',
  ),
  'transforms/canonical/compile.py': (
    'tests/transforms/canonical/compile_test.py',
    'test_a_compiler_that_does_not_work_is_named',
  ),
}
_STARTS = (
  r'\bsubprocess\.(run|Popen|call|check_call|check_output)\('
  r'|\bos\.(system|popen|fork|forkpty|exec\w+|spawn\w+|posix_spawn\w*)\('
  r'|\bmultiprocessing\b|\bProcessPoolExecutor\b|\bSubprocessSDKEnvironment\.'
)
_ALL_CORES = (_BUILD, 'test_float64_files_do_not_depend_on_the_number')
_FITS = (
  'tests/transforms/transform_test.py',
  'test_no_variable_of_the_environment_changes_a_fit',
)
# The variables that a build sets for its processes.
SET = {
  'no_grpc_proxy': (
    _BUILD,
    'test_a_proxy_does_not_come_between_the_processes',
  ),
  'EPATH_USE_TF': (
    'tests/pipelines/gcs_test.py',
    'test_the_command_builds_what_it_builds_on_disk',
  ),
  'OMP_NUM_THREADS': _ALL_CORES,
  'OPENBLAS_NUM_THREADS': _ALL_CORES,
  'JAX_PLATFORMS': (_DEVICES, 'test_gpus_are_those_that_cuda_would_show'),
  'CUDA_DEVICE_ORDER': (_DEVICES, 'test_gpus_are_those_that_cuda_would_show'),
  'LINAC_GPUS': (_DEVICES, 'test_a_worker_takes_the_gpu_of_its_number'),
  'LINAC_LOG_LEVEL': (_BUILD, 'test_a_plan_tells_what_a_build_takes'),
  'PYTHONPATH': (
    'tests/linac_config/processes_test.py',
    'test_a_process_finds_this_project_and_no_module_of_the_user',
  ),
  'PYTHONWARNINGS': (
    'tests/linac_config/entry_test.py',
    'test_no_warning_is_an_error',
  ),
}
# The variables of a user that could change bits or end a fit.
USERS = {
  'JAX_DISABLE_JIT': _FITS,
  'JAX_DEBUG_NANS': _FITS,
  'JAX_DEBUG_INFS': _FITS,
  'JAX_DISABLE_MOST_OPTIMIZATIONS': _FITS,
  'XLA_FLAGS': _FITS,
}


def test_every_process_that_is_started_is_in_the_table():
  found = {str(path) for path in MODULES if re.search(_STARTS, _code_of(path))}
  assert found == CHILDREN.keys()


def test_every_variable_of_a_build_is_in_the_table():
  _, variables = processes.python_module('linac_cli')
  assert variables.keys() | launch.environment().keys() == SET.keys()


@pytest.mark.parametrize(
  ('file', 'name'),
  sorted({*CHILDREN.values(), *SET.values(), *USERS.values()}),
)
def test_the_tables_name_tests(file, name):
  assert f'def {name}' in (REPOSITORY / file).read_text()


@pytest.mark.parametrize('name', USERS)
def test_a_variable_of_a_user_is_tried(name):
  file, _ = USERS[name]
  assert f"'{name}': " in (REPOSITORY / file).read_text()


def _code_of(path) -> str:
  """The code of a module, without comments and docstrings."""
  return ast.unparse(ast.parse((REPOSITORY / path).read_text()))
