"""No number in a file makes a command take memory or time for it.

The places are all numbers in the JSON files that commands read. So a new field
is tested without being named here.
"""

import contextlib
import dataclasses
import io
import json
import pathlib
import platform
import resource
import shutil
import sys
from collections.abc import Iterator

import psutil
import pytest
from PIL import Image
from tensorflow_datasets.proto import tf_example_pb2

from pipelines import status, verify
from pipelines.dataset.read_published import open_published
from pipelines.dataset.state import Kind, state_for_build
from pipelines.errors import BuildError
from pipelines.files.build_process import BUILD_PROCESS_FILE, BuildProcess
from pipelines.files.lock import describe_build
from pipelines.files.tfrecord import read_records, write_records
from pipelines.plan.saved_plan import load_plan, save_plan
from pipelines.plan.settings import Settings
from pipelines.reporting.contents import read_contents
from tests.pipelines.conftest import Lab
from tests.pipelines.verify_test import edit

# A list of as many items as the first takes 69 GB. Two of the second are no
# integer of 64 bits.
VALUES = (2**33, 2**62)
_MEMORY = 2**30
pytestmark = pytest.mark.skipif(
  sys.platform != 'linux', reason='a process can limit its memory on Linux only'
)
_SETTINGS = Settings(max_examples_per_split=4, examples_per_shard=2)


@contextlib.contextmanager
def little_memory() -> Iterator[None]:
  """Limits the memory of this process to 1 GiB more than it has."""
  limits = resource.getrlimit(resource.RLIMIT_DATA)
  data = psutil.Process().memory_info().data
  resource.setrlimit(resource.RLIMIT_DATA, (data + _MEMORY, limits[1]))
  try:
    yield
  finally:
    resource.setrlimit(resource.RLIMIT_DATA, limits)


def places(value, *keys) -> Iterator[tuple]:
  """The keys that lead to each number in a JSON value, also one in quotes.

  Of a list, only the first and the last number are returned.
  """
  if isinstance(value, dict):
    for key, inner in value.items():
      yield from places(inner, *keys, key)
  elif isinstance(value, list):
    for index in sorted({0, len(value) - 1} if value else ()):
      yield from places(value[index], *keys, index)
  elif type(value) in (int, float) or (
    isinstance(value, str) and value.isdecimal()
  ):
    yield keys


@pytest.fixture
def data_dir(lab, tmp_path_factory) -> pathlib.Path:
  """A data folder with a source, a dataset and an unfinished dataset."""
  root = tmp_path_factory.getbasetemp() / 'sizes'
  if not root.exists():
    lab.run(lab.plan(_SETTINGS))
    save_plan(lab.plan(_SETTINGS, seed=4))
    shutil.copytree(lab.data_dir, root)
  return shutil.copytree(root, tmp_path_factory.mktemp('sizes') / 'data')


def plan_anew(data_dir: pathlib.Path, *seeds: int) -> bool:
  """Whether builds of these seeds could start."""
  try:
    for seed in seeds:
      Lab(data_dir).plan(_SETTINGS, seed=seed)
  except (BuildError, ValueError):
    return False
  return True


def report(dataset: pathlib.Path) -> bool:
  """Whether a report could be made."""
  try:
    read_contents(open_published(dataset), 4, 3)
  except (OSError, ValueError):
    return False
  return True


PUBLISHED = (
  'metadata.json',
  'manifests/cifar10_linac-train.tfrecord-00000-of-00002.json',
  'dataset_info.json',
  'features.json',
  'croissant.json',
)


def test_no_file_is_forgotten(data_dir):
  """A new file must be tried by one of the tests here."""
  found = {path.relative_to(data_dir) for path in data_dir.rglob('*.json')}
  folders = {path.parent.name for path in found}
  names = {path.name for path in found if path.parent.name != 'manifests'}
  assert names == {*(n for n in PUBLISHED if '/' not in n), 'plan.json'}
  assert folders - {'2.0.0', '1.0.0', 'manifests', '.config'} == {
    path.name for path in data_dir.glob('cifar10_linac/*/staging.*')
  }


@pytest.mark.parametrize('name', PUBLISHED)
def test_no_number_of_a_dataset_is_trusted(data_dir, name, capsys):
  (dataset,) = data_dir.glob('cifar10_linac/*seed_3_*/[0-9]*')
  path = dataset / name
  text = path.read_text()
  found = list(places(json.loads(text)))
  assert len(found) >= 2
  for keys in found:
    for value in VALUES:
      edit(path, *keys, value=value)
      with little_memory():
        assert verify.main([str(dataset), '--examples=1']) == 1, (keys, value)
        assert status.main([str(dataset)]) in (0, 1, 2), (keys, value)
        report(dataset)
        plan_anew(data_dir, 3, 4)
      path.write_text(text)
  capsys.readouterr()


@pytest.mark.parametrize('value', VALUES)
@pytest.mark.parametrize('field', ['stop', 'example_bytes', 'file_bytes'])
def test_files_that_agree_are_not_trusted(data_dir, field, value, capsys):
  (dataset,) = data_dir.glob('cifar10_linac/*seed_3_*/[0-9]*')
  stops = [value // 2, value]
  for manifest in dataset.glob('manifests/*.json'):
    index = json.loads(manifest.read_text())['index']
    edit(manifest, field, value=stops[index] if field == 'stop' else value)
    if field == 'stop':
      edit(manifest, 'start', value=[0, *stops][index])
  if field == 'stop':
    for split in (0, 1):
      edit(dataset / 'metadata.json', 'shard_stops', split, 1, value=stops)
  with little_memory():
    assert verify.main([str(dataset), '--quick']) == 1
    status.main([str(dataset)])
    report(dataset)
    plan = Lab(data_dir).plan(_SETTINGS)
    assert state_for_build(plan).kind is Kind.DAMAGED
  assert 'FAILED' in capsys.readouterr().out


@pytest.mark.parametrize('name', ['dataset_info.json', 'features.json'])
def test_no_number_of_a_source_is_trusted(data_dir, name, capsys):
  path = data_dir / 'sample/1.0.0' / name
  (dataset,) = data_dir.glob('cifar10_linac/*seed_3_*/[0-9]*')
  (path.parent / 'label.labels.txt').unlink()  # TFDS would make the names.
  text = path.read_text()
  assert plan_anew(data_dir, 5)
  found = list(places(json.loads(text)))
  assert len(found) >= 2
  for keys in found:
    for value in VALUES:
      edit(path, *keys, value=str(value))
      with little_memory():
        planned = plan_anew(data_dir, 5)
        verify.main([str(dataset), '--quick'])
      # Only the first examples are built, and no command uses `numBytes`.
      more = keys[-1] == 'numBytes' or 'shardLengths' in keys
      assert planned == more, (keys, value)
      path.write_text(text)
  capsys.readouterr()


def test_no_number_of_a_plan_is_trusted(data_dir, capsys):
  (path,) = data_dir.glob('cifar10_linac/*/staging.*/plan.json')
  text, shards = path.read_text(), load_plan(str(path.parent)).shards()
  found = list(places(json.loads(text)))
  for keys in found:
    for value in VALUES:
      edit(path, *keys, value=value)
      with little_memory():
        # A few settings change no shard and may have any value.
        with contextlib.suppress(BuildError):
          assert load_plan(str(path.parent)).shards() == shards
        status.main([str(path.parent)])
        plan_anew(data_dir, 3, 4)
      path.write_text(text)
  # The file is small, and the shards of all splits together are many.
  edit(path, 'splits', value=[[f'split_{i}', 2**20] for i in range(10_000)])
  edit(path, 'settings', 'examples_per_shard', value=16)
  with little_memory(), pytest.raises(BuildError, match='655,360,000 shards'):
    load_plan(str(path.parent))
  capsys.readouterr()


@pytest.mark.parametrize('pid', [-1, 0, 2**31, 2**62])
def test_no_message_tells_to_kill_what_is_no_process(tmp_path, pid):
  process = dataclasses.asdict(BuildProcess(1, platform.node(), 'today'))
  path = tmp_path / BUILD_PROCESS_FILE
  path.write_text(json.dumps(process))
  assert describe_build(tmp_path)
  path.write_text(json.dumps(process | {'pid': pid}))
  assert describe_build(tmp_path) == ''


def test_the_header_of_an_image_is_not_trusted(data_dir, capsys):
  """A file of a few bytes can hold an image of gigabytes."""
  (dataset,) = data_dir.glob('cifar10_linac/*seed_3_*/[0-9]*')
  path = dataset / 'cifar10_linac-train.tfrecord-00000-of-00002'
  records = list(read_records(path))
  example = tf_example_pb2.Example.FromString(records[0])
  image = io.BytesIO()
  Image.new('1', (9_000, 9_000)).save(image, 'png')
  example.features.feature['image'].bytes_list.value[0] = image.getvalue()
  write_records(path, [example.SerializeToString(), *records[1:]])
  assert verify.main([str(dataset), '--quick']) == 1
  assert 'its image has the size (9000, 9000)' in capsys.readouterr().out
