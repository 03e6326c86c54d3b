"""Files on disk and in a bucket."""

import os
import pathlib

import pytest

from pipelines.files import listing, storage

# The size of a shard of 128 images, which is uploaded in two parts.
_SHARD = 2**26


@pytest.fixture(scope='module')
def data() -> bytes:
  return os.urandom(_SHARD)


@pytest.mark.parametrize('fault', [None, 503, 'drop', 'lose answer'])
def test_a_large_file_arrives_whole(bucket, data, fault):
  if fault:
    bucket.fail(fault, 'upload_id', times=1)
  path = bucket.root / 'shard'
  with storage.writing(path) as part:
    part.write_bytes(data)
  assert bucket.faults_left() == 0
  with storage.local_copy(path) as copy:
    assert copy.read_bytes() == data


def test_an_upload_that_fails_leaves_nothing(bucket, data):
  bucket.fail(403, 'upload_id', times=1)
  path = bucket.root / 'shard'
  with pytest.raises(OSError, match='Forbidden'), storage.writing(path) as part:
    part.write_bytes(data)
  assert not path.exists()


def test_a_server_that_never_answers_is_given_up(bucket, monkeypatch):
  monkeypatch.setattr(storage, '_TIMEOUTS', {'sock_read': 0.2})
  path = storage.path(f'{bucket.root}file')
  bucket.fail('hang', 'POST', times=1)
  storage.write_text(path, 'text')
  assert path.read_text() == 'text'
  assert bucket.faults_left() == 0


def test_a_link_that_is_not_finished_is_beside_its_source(
  tmp_path, monkeypatch
):
  """The source's folder is removed in the end, and so is what is left there."""
  for name in ('staging', 'published'):
    (tmp_path / name).mkdir()
  source = tmp_path / 'staging' / 'shard'
  source.touch()
  unfinished = []
  replace = pathlib.Path.replace
  monkeypatch.setattr(
    pathlib.Path,
    'replace',
    lambda path, target: unfinished.append(path) or replace(path, target),
  )
  storage.link(source, tmp_path / 'published' / 'shard')
  assert [path.parent for path in unfinished] == [source.parent]
  assert [path.name for path in source.parent.iterdir()] == ['shard']


def write_and_fail(path) -> None:
  with storage.writing(path) as part:
    part.write_text('new')
    raise KeyError


@pytest.mark.parametrize('place', ['disk', 'bucket'])
def test_a_file_that_fails_to_be_written_is_not_there(bucket, tmp_path, place):
  folder = tmp_path if place == 'disk' else bucket.root / 'folder'
  storage.write_text(folder / 'old', 'old')
  for name in ('new', 'old'):
    with pytest.raises(KeyError):
      write_and_fail(folder / name)
  assert [path.name for path in listing.entries(folder)] == ['old']
  assert (folder / 'old').read_text() == 'old'


@pytest.mark.parametrize('place', ['disk', 'bucket'])
def test_a_link_has_the_contents_the_hash_and_the_time(bucket, tmp_path, place):
  folder = tmp_path if place == 'disk' else bucket.root / 'folder'
  storage.write_text(folder / 'a', 'text')
  storage.write_text(folder / 'b', 'another')
  for _ in range(2):  # The second time, the target is a link already.
    storage.link(folder / 'a', folder / 'b')
  times = listing.times(folder)
  assert times['a'] == times['b']
  assert listing.sizes(folder) == {'a': 4, 'b': 4}
  assert storage.file_sha256(folder / 'b') == storage.file_sha256(folder / 'a')
  storage.remove(folder / 'a')
  assert (folder / 'b').read_text() == 'text'


@pytest.mark.parametrize('text', ['s3://bucket/x', 'gs://bucket/[x]'])
def test_places_that_cannot_be_used_are_refused(text):
  with pytest.raises(ValueError, match=r'^(s3|gs)://bucket/'):
    storage.path(text)


def test_a_kept_copy_is_that_of_the_present_file(bucket):
  path = storage.path('gs://linac-test/kept')
  for text in ('first', 'second'):
    storage.write_text(path, text)
    for _ in range(2):
      with storage.kept_copy(path) as copy:
        assert copy.read_text() == text


def test_only_incomplete_files_are_removed(tmp_path):
  for name in ('a.json.tmp0123abcd', 'notes.tmpl', 'a.json.tmp-of-mine'):
    (tmp_path / name).touch()
  storage.remove_parts(tmp_path)
  names = {path.name for path in tmp_path.iterdir()}
  assert names == {'notes.tmpl', 'a.json.tmp-of-mine'}
