"""A build whose workers share only the data folder with its driver."""

import apache_beam as beam
import pytest
from apache_beam.runners.portability.fn_api_runner import FnApiRunner

from pipelines.plan.settings import Settings
from pipelines.runners.pipeline import build_datasets
from tests.pipelines.commands import start
from tests.pipelines.conftest import TINY
from tests.pipelines.services import free_port, serve

JOB_SERVICE = 'apache_beam.runners.portability.local_job_service_main'
WORKER_POOL = 'apache_beam.runners.worker.worker_pool_main'


def files(config_dir):
  """The contents of all files of a config, manifests included."""
  return {
    path.relative_to(config_dir): path.read_bytes()
    for path in config_dir.rglob('*')
    if path.is_file()
  }


@pytest.fixture
def sent(tmp_path):
  """The folder where the job service keeps the files of a job."""
  return tmp_path / 'sent'


@pytest.fixture
def portable_runner(sent):
  """Beam's options for a job service whose workers come from a pool."""
  job, pool = free_port(), free_port()
  with (
    serve(job, JOB_SERVICE, '--port', job, '--staging_dir', sent),
    serve(pool, WORKER_POOL, '--service_port', pool),
  ):
    yield (
      '--runner=PortableRunner',
      f'--job_endpoint=localhost:{job}',
      '--environment_type=EXTERNAL',
      f'--environment_config=localhost:{pool}',
    )


@pytest.mark.nightly
def test_a_portable_build(lab, tmp_path, portable_runner, sent):
  """Runs the command as a user does; JAX could not fit in its own process."""
  plan = lab.plan()
  lab.run(plan)
  build = start(
    tmp_path / 'data',
    *(f'--{name}={value}' for name, value in TINY.items()),
    f'--source_data_dir={lab.data_dir}',
    *portable_runner,
    JAX_PLATFORMS='none',
    # Nobody listens at the discard port.
    http_proxy='http://127.0.0.1:9',
    no_proxy='.example',
  )
  output, errors = build.communicate(timeout=120)
  assert build.returncode == 0, errors
  assert '120 fitted' in output
  (config_dir,) = tmp_path.glob('data/cifar10_linac/sample_*')
  assert files(config_dir) == files(plan.directory.parent)
  # Nothing is sent, no file of this project and no list of its packages.
  assert not [path for path in sent.rglob('*') if path.is_file()]


def test_a_job_holds_no_payload(lab):
  """Checks that the graph does not list the shards; workers read the plan."""
  plan = lab.plan(Settings(examples_per_shard=1))
  root = beam.Pipeline(runner=FnApiRunner())
  build_datasets(root, [str(plan.staging)])
  assert len(root.to_runner_api().SerializeToString()) < 25_000
