"""The emulator: what it lacks would look like a fault of the project."""

import pytest


def test_after_a_refused_upload_the_next_one_stores_its_own_bytes(bucket):
  fs, file = bucket.root.fs, str(bucket.root / 'file')
  fs.pipe_file(file, b'first')
  with pytest.raises(FileExistsError):
    fs.pipe_file(file, b'refused', mode='create')
  fs.rm(file)
  fs.pipe_file(file, b'another', mode='create')
  assert fs.cat_file(file) == b'another'
