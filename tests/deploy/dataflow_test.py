"""Tests of jobs that the command line submits to a local Dataflow server."""

import base64
import bz2
import itertools
import json
import pathlib
import subprocess
import sys
import urllib.request

import pytest
import tensorflow_datasets as tfds
from apache_beam.portability import common_urns
from apache_beam.portability.api import beam_runner_api_pb2

from pipelines import build
from pipelines.files import storage
from pipelines.files.formats import FILE_FORMATS
from pipelines.plan.settings import Settings
from pipelines.runners.find_runner import find_runner
from tests.deploy.graph_test import IMAGE, L4, STAGINGS
from tests.pipelines.conftest import TINY

CONFIG = [f'--{name}={value}' for name, value in TINY.items() if name != 'seed']
# Dataflow's limit for the size of a job, in bytes.
MAX_REQUEST = 10_000_000


class Service:
  """The local server, and a folder of the bucket that holds the sample."""

  def __init__(self, port: str, root, sample_dir: pathlib.Path):
    self._url = f'http://localhost:{port}'
    self.data_dir = root / 'data'
    self._root = root
    for path in sample_dir.rglob('*.*'):
      if path.is_file():
        name = path.relative_to(sample_dir)
        root.fs.pipe_file(f'{self.data_dir}/{name}', path.read_bytes())

  def options(self) -> list[str]:
    """Returns the options of the runner."""
    return [
      f'--dataflow_endpoint={self._url}',
      '--no_auth',
      '--project=project',
      '--region=europe-west4',
      f'--temp_location={self._root}tmp',
      f'--sdk_container_image={IMAGE}',
    ]

  def build(self, *arguments: str) -> int:
    """Builds tiny datasets; returns the exit status."""
    return build.main(
      [
        '--runner=DataflowRunner',
        *self.options(),
        f'--data_dir={self.data_dir}',
        *CONFIG,
        *arguments,
      ]
    )

  def requests(self) -> list[str]:
    """Returns the requests for jobs, as JSON."""
    with urllib.request.urlopen(f'{self._url}/requests') as answer:
      return json.load(answer)

  def staged(self) -> dict[str, bytes]:
    """Returns the files that are staged for workers, by name."""
    files = self._root.fs.find(f'{self._root}tmp')
    return {
      name.rpartition('/')[2]: self._root.fs.cat_file(name) for name in files
    }

  def download(self, folder: str, target: pathlib.Path) -> None:
    """Copies a folder of the data folder to this machine."""
    self._root.fs.get(f'{self.data_dir}/{folder}', str(target), recursive=True)

  def enlarge_source(self) -> None:
    """Repeats an image of the sample until there are 60,000."""
    folder = self.data_dir / 'sample/1.0.0'
    info = folder / 'dataset_info.json'
    metadata = json.loads(info.read_text())
    file_format = FILE_FORMATS['array_record']
    (path,) = folder.glob('sample-test*')
    with storage.local_copy(path) as local:
      record = next(file_format.read(local))
    for split in metadata['splits']:
      size = {'train': 50_000, 'test': 10_000}[split['name']]
      split['shardLengths'] = [str(size)]
      name = f'sample-{split["name"]}.array_record-00000-of-00001'
      with storage.writing(folder / name) as part:
        file_format.write(part, itertools.repeat(record, size))
    self._root.fs.pipe_file(str(info), json.dumps(metadata).encode())


@pytest.fixture
def service(bucket, sample_dir):
  with subprocess.Popen(
    [sys.executable, '-m', 'tests.deploy.dataflow_service'],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
    cwd=pathlib.Path(__file__).parents[2],
  ) as process:
    port = process.stdout.readline().strip()
    yield Service(port, bucket.root, sample_dir)
    process.stdin.close()


def unpacked(graph: bytes) -> bytes:
  """Returns the pickled functions of a graph's steps, decompressed."""
  pipeline = beam_runner_api_pb2.Pipeline.FromString(graph)
  functions = [
    beam_runner_api_pb2.ParDoPayload.FromString(step.spec.payload).do_fn
    for step in pipeline.components.transforms.values()
    if step.spec.urn == common_urns.primitives.PAR_DO.urn
  ]
  return b''.join(
    bz2.decompress(base64.b64decode(function.payload)) for function in functions
  )


@pytest.mark.nightly
def test_two_seeds_are_built_by_a_job(service, capsys, tmp_path):
  limits = ('--max_examples_per_split=8', '--worker_ram=1GB')
  status = service.build('--seeds=1:3', *limits)
  output, errors = capsys.readouterr()
  assert status == 0, errors
  assert '2 datasets: 32 fitted' in output
  assert '32/32' in errors
  service.download('cifar10_linac', tmp_path)
  for folder in tmp_path.glob('cifar10_linac/*/2*'):
    dataset = tfds.builder_from_directory(folder).as_dataset('train')
    assert len(dataset) == 8
    assert next(iter(dataset))['representation'].shape == (32, 32, 8)
  assert len(list(tmp_path.glob('cifar10_linac/*/2*'))) == 2


@pytest.mark.nightly
def test_a_job_that_fails_is_followed_and_knows_no_secret(service, capsys):
  key = '5550123456789'
  file = f'{service.data_dir}/key.txt'
  service.data_dir.fs.pipe_file(file, key.encode())
  status = service.build(
    '--config_name=mine',
    f'--private_key_file={file}',
    f'--accelerator={L4}',
  )
  output, errors = capsys.readouterr()
  assert status == 1
  # The job runs on this machine, without an accelerator.
  assert 'JAX finds no accelerator on this worker' in errors
  (request,) = service.requests()
  staged = service.staged()
  # Only the graph is staged, no packages and no pickled main session.
  assert staged.keys() - {'submission_environment_dependencies.txt'} == {
    'pipeline.pb'
  }
  steps = unpacked(staged['pipeline.pb'])
  assert b'cifar10_linac/mine/staging' in steps
  for text in (output, errors, request, str(staged), str(steps)):
    assert key not in text
  job = json.loads(request)
  options = job['environment']['sdkPipelineOptions']['options']
  assert options['number_of_worker_harness_threads'] == 1
  # A worker runs one process, not one per core.
  experiments = job['environment']['experiments']
  assert 'no_use_multiple_sdk_containers' in experiments
  assert 'use_multiple_sdk_containers' not in experiments
  (pool,) = job['environment']['workerPools']
  containers = pool['sdkHarnessContainerImages']
  assert {container['containerImage'] for container in containers} == {IMAGE}


def test_a_template_is_made_and_is_as_small_for_60_000_images(service, capsys):
  service.enlarge_source()
  file = f'{service.data_dir}/template'
  assert service.build('--seeds=0:2', f'--template_location={file}') == 0
  output, _ = capsys.readouterr()
  assert '120,000 (2 x 60,000: train 50,000, test 10,000)' in output
  assert 'handed over' in output
  assert not service.requests()
  template = service.data_dir.fs.cat_file(file)
  assert json.loads(template)['environment']['sdkPipelineOptions']
  assert len(template) < 100_000
  assert sum(map(len, service.staged().values())) < 100_000


def test_the_request_for_100_seeds_is_below_the_limit(service):
  file = f'{service.data_dir}/template'
  flags = (*service.options(), f'--template_location={file}')
  runner = find_runner('DataflowRunner', flags)
  settings = Settings(accelerator=L4)
  assert not runner.run_pipeline(STAGINGS, settings, runner.options())
  graph = service.staged()['pipeline.pb']
  steps = unpacked(graph)
  assert all(staging.encode() in steps for staging in STAGINGS)
  assert len(service.data_dir.fs.cat_file(file)) + len(graph) < MAX_REQUEST / 50


def test_local_folders_are_refused(service, sample_dir, capsys):
  assert service.build(f'--source_data_dir={sample_dir}') == 1
  _, errors = capsys.readouterr()
  assert f'source_data_dir={sample_dir} is on this machine' in errors
  assert not service.requests()
