"""Settings of every test: checked shapes, strict JAX promotion, real data."""

import os
import pathlib
import shutil
import signal

import hypothesis
import jax
import numpy as np
import pytest
from jaxtyping import install_import_hook

import linac_tfds
from tests.gcs.bucket import bucket, gcs_server  # noqa: F401

# Public functions of these packages check their annotated shapes and dtypes.
_CHECKED = ['keys', 'encoding', 'draws', 'inr', 'fitting', 'transform']
_hook = install_import_hook(
  [f'transforms.{module}' for module in _CHECKED], 'beartype.beartype'
)

# Machines are shared; a test that took long is no error.
hypothesis.settings.register_profile('shared', deadline=None)
hypothesis.settings.load_profile('shared')

jax.config.update('jax_numpy_dtype_promotion', 'strict')
jax.config.update('jax_numpy_rank_promotion', 'raise')
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '2')
# As commands do. It is read once a process, whatever test comes first.
os.environ.setdefault('EPATH_USE_TF', 'false')

# Elsewhere than on Linux, cores are not chosen.
_CORES = (
  sorted(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else []
)

REPOSITORY = pathlib.Path(__file__).parents[1]
SHARED = REPOSITORY.parent / 'shared'


def pytest_configure(config):
  """Gives each of several test processes (`pytest -n`) a core of its own.

  What they start inherits it, so that their builds do not share cores: those
  have a worker each.
  """
  name = os.environ.get('PYTEST_XDIST_WORKER')
  if name and _CORES:
    core = _CORES[int(name.removeprefix('gw')) % len(_CORES)]
    os.sched_setaffinity(0, {core})
    # It is ignored there, which what the tests start would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def all_cores() -> list[int]:
  """The cores of this machine, all for the test."""
  if not _CORES:
    pytest.skip('cores cannot be chosen here')
  before = os.sched_getaffinity(0)
  os.sched_setaffinity(0, _CORES)
  yield _CORES
  os.sched_setaffinity(0, before)


@pytest.fixture(scope='session')
def shared_data() -> pathlib.Path:
  """A folder of real data; tests of it are skipped where it is absent."""
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
