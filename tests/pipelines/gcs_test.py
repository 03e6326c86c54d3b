"""Datasets in a bucket are built, interrupted, damaged, verified and read."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

from pipelines import build, report, status, verify
from pipelines.dataset.state import sound_manifest
from pipelines.errors import BuildError
from pipelines.files import listing, storage
from pipelines.files.lock import only_build_in
from pipelines.plan.private_key import find_private_key
from pipelines.plan.saved_plan import save_plan
from pipelines.plan.settings import Settings
from pipelines.worker.read_source import read_source
from pipelines.worker.task import finish_shards
from tests.gcs.gateway import gateway
from tests.pipelines.conftest import TINY, Lab

OPTIONS = [f'--{name}={value}' for name, value in TINY.items()]


def contents(folder) -> dict[str, bytes]:
  """The contents of all files in a folder, by their paths in it."""
  return {
    str(path)[len(str(folder)) + 1 :]: path.read_bytes()
    for path in folder.rglob('*')
    if path.is_file()
  }


@pytest.fixture
def remote(bucket, sample_dir) -> Lab:
  """A data folder in the bucket that holds only the sample."""
  root = bucket.root / 'data'
  for name, data in contents(sample_dir).items():
    root.fs.pipe_file(f'{root}/{name}', data)
  return Lab(str(root))


@pytest.fixture
def expected(lab) -> dict[str, bytes]:
  """The files of the same dataset, built on disk."""
  lab.run(lab.plan())
  return contents(lab.data_dir / 'cifar10_linac')


def built(remote: Lab) -> dict[str, bytes]:
  """The contents of all files of datasets in the bucket."""
  return contents(storage.path(remote.data_dir) / 'cifar10_linac')


def test_the_command_builds_what_it_builds_on_disk(
  bucket, sample_dir, expected, capsys
):
  data_dir = f'{bucket.root}data'
  arguments = [f'--data_dir={data_dir}', f'--source_data_dir={sample_dir}']
  status = build.main([*arguments, *OPTIONS])
  output = capsys.readouterr()
  assert status == 0, output.err
  assert contents(bucket.root / 'data' / 'cifar10_linac') == expected
  assert '120 fitted' in output.out
  assert f"data_dir='{data_dir}'" in output.out


@pytest.mark.nightly
def test_requests_that_fail_are_made_again(bucket, remote, expected):
  plan = remote.plan()
  for kind in (429, 503, 'drop'):
    bucket.fail(kind, 'POST .*upload', times=1)
    bucket.fail(kind, 'POST .*rewriteTo', times=1)
  remote.run(plan)
  assert bucket.faults_left() == 0
  assert built(remote) == expected


def test_a_failed_upload_leaves_no_shard(bucket, remote):
  plan = remote.plan()
  save_plan(plan)
  shard = plan.shards()[0]
  bucket.fail(403, 'POST .*upload', times=1)
  with pytest.raises(OSError, match='Forbidden'):
    list(finish_shards((shard,)))
  assert [path.name for path in listing.entries(plan.staging)] == ['plan.json']


def test_finished_shards_of_an_interrupted_build_are_kept(remote, expected):
  plan = remote.plan()
  save_plan(plan)
  shards = plan.shards()[:2]
  list(finish_shards(shards))
  files = [plan.staging / shard.file_name('tfrecord') for shard in shards]
  # The second one's contents are replaced.
  files[1].fs.pipe_file(str(files[1]), b'another')
  assert sound_manifest(plan, shards[0])
  assert not sound_manifest(plan, shards[1])
  (first,) = finish_shards(shards[:1])
  assert first.reused
  remote.run(plan)
  assert built(remote) == expected


@pytest.mark.nightly
def test_a_published_dataset_is_mended(remote, expected, capsys):
  remote.run(plan := remote.plan())
  folder = plan.directory
  names = [shard.file_name('tfrecord') for shard in plan.shards()]
  (folder / names[0]).unlink()
  folder.fs.pipe_file(f'{folder}/{names[1]}', b'another')
  assert build.main([f'--data_dir={remote.data_dir}', *OPTIONS]) == 0
  sizes = [shard.size for shard in plan.shards()[:2]]
  assert f'{sum(sizes)} fitted' in capsys.readouterr().out
  assert built(remote) == expected
  assert build.main([f'--data_dir={remote.data_dir}', *OPTIONS]) == 0
  assert 'nothing was fitted' in capsys.readouterr().out


def test_a_dataset_uploaded_by_others_is_compared_by_its_contents(
  remote, expected, capsys
):
  plan = remote.plan()
  for name, data in expected.items():
    target = f'{remote.data_dir}/cifar10_linac/{name}'
    plan.staging.fs.pipe_file(target, data)
  assert build.main([f'--data_dir={remote.data_dir}', *OPTIONS]) == 0
  assert 'nothing was fitted' in capsys.readouterr().out


def test_another_dataset_of_the_name_is_refused_and_replaced(remote, expected):
  remote.run(remote.plan(Settings(max_examples_per_split=3)))
  with pytest.raises(BuildError, match='--overwrite'):
    remote.plan()
  remote.run(remote.plan(Settings(overwrite=True)))
  assert built(remote) == expected


def test_verify_reads_a_bucket(remote, capsys):
  remote.run(plan := remote.plan())
  arguments = [str(plan.directory), '--examples=2']
  assert verify.main(arguments) == 0
  assert re.search(r'source +ok +120 examples', capsys.readouterr().out)
  name = plan.shards()[1].file_name('tfrecord')
  data = bytearray((plan.directory / name).read_bytes())
  data[100] ^= 1
  plan.directory.fs.pipe_file(f'{plan.directory}/{name}', bytes(data))
  (plan.directory / plan.shards()[2].file_name('tfrecord')).unlink()
  assert verify.main(arguments) == 1
  output = capsys.readouterr().out
  assert f'shards: {name}: sha256 is' in output
  assert 'it is not there' in output


def test_tensorflow_reads_a_bucket(gcs_server, remote, expected, tmp_path):
  remote.run(remote.plan())
  code = f"""
import hashlib, linac_tfds, tensorflow_datasets as tfds
builder = tfds.builder(
  'cifar10_linac', config={remote.plan().config_name!r},
  data_dir={remote.data_dir!r})
config = tfds.ReadConfig(interleave_cycle_length=1)
ds = builder.as_dataset(split='train', read_config=config)
digests = [
  hashlib.sha256(e['representation'].tobytes()).hexdigest()[:16]
  for e in tfds.as_numpy(ds)]
print(' '.join(digests))
"""
  with gateway(gcs_server, tmp_path) as environment:
    reader = subprocess.run(
      [sys.executable, '-c', code],
      env=environment
      | {
        'PYTHONPATH': ':'.join(sys.path),
        'HOME': str(tmp_path),
        'NO_GCE_CHECK': 'true',
      },
      capture_output=True,
      text=True,
      timeout=300,
    )
  assert reader.returncode == 0, reader.stderr
  assert reader.stdout.split() == [
    digest
    for name, data in sorted(expected.items())
    if 'manifests/cifar10_linac-train' in name
    for digest in json.loads(data)['representation_sha256']
  ]


def test_a_source_in_a_bucket_is_read_in_slices(remote, lab):
  there, here = remote.plan(), lab.plan()
  assert there.source.directory.startswith('gs://')
  for start, stop in ((0, 3), (95, 100)):
    found = list(read_source(there, 'train', start, stop))
    expected = list(read_source(here, 'train', start, stop))
    assert [e['id'] for e in found] == [e['id'] for e in expected]
    assert all(
      np.array_equal(a['image'], b['image'])
      for a, b in zip(found, expected, strict=True)
    )


def test_a_key_in_a_bucket_is_read(bucket, tmp_path):
  file = bucket.root / 'key'
  file.fs.pipe_file(str(file), b'42')
  assert find_private_key(tmp_path, 'mine', str(file)).read() == 42
  with pytest.raises(ValueError, match=r"gs://.*none' cannot be read"):
    find_private_key(tmp_path, 'mine', f'{bucket.root}none')


@pytest.mark.parametrize(
  ('folder', 'message'),
  [
    ('gs://no-such-bucket/data', 'The bucket gs://no-such-bucket does not'),
    (
      'gs://forbidden-bucket/data',
      'everybody lacks storage.objects.get, .*log',
    ),
  ],
)
def test_a_bucket_that_cannot_be_used_is_refused(
  bucket, capsys, folder, message
):
  for command, name in ((build.main, '--data_dir='), (verify.main, '')):
    assert command([f'{name}{folder}']) in (1, 2)
    assert re.search(message, capsys.readouterr().err)


@pytest.mark.nightly
def test_status_and_report_read_a_bucket(remote, tmp_path, capsys):
  plan = remote.plan()
  save_plan(plan)
  first = plan.shards()[0]
  list(finish_shards((first,)))
  with only_build_in(plan.directory.parent):
    assert status.main([str(plan.directory)]) == 0
    assert 'running since' in capsys.readouterr().out
  assert status.main([str(plan.directory.parent)]) == 1
  output = capsys.readouterr().out
  assert f'images   {first.size} of 120' in output
  remote.run(plan)
  assert status.main([str(plan.directory.parent)]) == 0
  assert 'finished' in capsys.readouterr().out
  arguments = [f'--output={tmp_path}', '--examples=0', '--shards=1']
  assert report.main([str(plan.directory), *arguments]) == 0
  assert plan.config_name in (tmp_path / 'report.html').read_text()
