"""Settings and fixtures of all tests.

Shapes are checked, and JAX promotes dtypes and ranks strictly.
"""

import os
import pathlib
import shutil
import signal
import tempfile

import hypothesis
import jax
import numpy as np
import pytest
from jaxtyping import install_import_hook

import linac_tfds
from tests.gcs.bucket import bucket, gcs_server  # noqa: F401

# The functions of these modules check their annotated shapes and dtypes.
_CHECKED = [
  *('keys', 'exact', 'encoding', 'draws', 'inr', 'fitting', 'psnr'),
  *('transform', 'canonical.step_numbers'),
]
_hook = install_import_hook(
  [f'transforms.{module}' for module in _CHECKED], 'beartype.beartype'
)

# Machines are shared, so it is no error if a test takes long.
hypothesis.settings.register_profile('shared', deadline=None)
hypothesis.settings.load_profile('shared')

jax.config.update('jax_numpy_dtype_promotion', 'strict')
jax.config.update('jax_numpy_rank_promotion', 'raise')
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
# Commands set this variable too. It is set here because a process reads it only
# once, in whichever test comes first.
os.environ.setdefault('EPATH_USE_TF', 'false')

# Only Linux lets a process choose its cores.
_CORES = (
  sorted(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else []
)

REPOSITORY = pathlib.Path(__file__).parents[1]
SHARED = REPOSITORY.parent / 'shared'


def pytest_configure(config):
  """Binds each test process of `pytest -n` to a core of its own.

  The processes that it starts inherit this, so each build has one worker, and
  builds do not share cores.
  """
  # pytest-xdist ignores the signal, as a shell does for what it starts in the
  # background, and processes that tests start would inherit that.
  signal.signal(signal.SIGINT, signal.default_int_handler)
  _share_compiled_programs(config)
  name = os.environ.get('PYTEST_XDIST_WORKER')
  if name and _CORES:
    core = _CORES[int(name.removeprefix('gw')) % len(_CORES)]
    os.sched_setaffinity(0, {core})


def _share_compiled_programs(config) -> None:
  """Compiles each program once for this process and all that it starts."""
  folder = tempfile.mkdtemp(prefix='linac-compiled-')
  config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
  for name, value in {
    'jax_compilation_cache_dir': folder,
    # Tiny programs are kept as well.
    'jax_persistent_cache_min_compile_time_secs': 0.0,
    'jax_persistent_cache_min_entry_size_bytes': -1,
  }.items():
    jax.config.update(name, value)
    os.environ[name.upper()] = str(value)


@pytest.fixture
def all_cores() -> list[int]:
  """The cores of this machine, on all of which the test may run."""
  if not _CORES:
    pytest.skip('cores cannot be chosen here')
  before = os.sched_getaffinity(0)
  os.sched_setaffinity(0, _CORES)
  yield _CORES
  os.sched_setaffinity(0, before)


@pytest.fixture(scope='session')
def shared_data() -> pathlib.Path:
  """A folder of real data; tests that need it are skipped if it is absent."""
  if not SHARED.exists():
    pytest.skip('no real images at hand')
  return SHARED


@pytest.fixture
def images() -> np.ndarray:
  """Five random 8x8 RGB images."""
  return np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), np.uint8)


@pytest.fixture
def sample_dir(tmp_path_factory) -> pathlib.Path:
  """A data folder that holds the prepared sample and nothing else."""
  root = tmp_path_factory.getbasetemp()
  shared = root / 'sample'
  if not shared.exists():
    linac_tfds.Sample(data_dir=shared).download_and_prepare()
  folder = tmp_path_factory.mktemp('data')
  shutil.copytree(shared, folder, dirs_exist_ok=True)
  return folder
