"""Paths mean the same place later, and folders are checked before work."""

import os
import pwd

import pytest

from linac_config import paths


def test_a_path_is_absolute_whatever_the_current_folder_is(
  tmp_path, monkeypatch
):
  monkeypatch.setenv('HOME', '/home/me')
  monkeypatch.chdir(tmp_path)
  assert paths.absolute('data/../x') == f'{tmp_path}/x'
  assert paths.absolute('~/data') == '/home/me/data'
  assert paths.absolute('./~/data') == f'{tmp_path}/~/data'
  assert paths.absolute('gs://bucket/x') == 'gs://bucket/x'


def test_an_unknown_home_folder_is_no_folder_of_that_name(monkeypatch):
  def nobody(uid):
    raise KeyError(uid)

  with pytest.raises(
    ValueError, match=r"'~nobody_here/x' .* \./~nobody_here/x"
  ):
    paths.absolute('~nobody_here/x')
  # A container may run as a user that it does not know.
  monkeypatch.delenv('HOME')
  monkeypatch.setattr(pwd, 'getpwuid', nobody)
  with pytest.raises(ValueError, match='home folder is not known'):
    paths.absolute('~/data')


def test_a_deleted_current_folder_is_told(tmp_path, monkeypatch):
  (tmp_path / 'gone').mkdir()
  monkeypatch.chdir(tmp_path / 'gone')
  (tmp_path / 'gone').rmdir()
  with pytest.raises(ValueError, match='has been deleted'):
    paths.absolute('data')


def test_a_folder_that_cannot_be_written_is_told(tmp_path, monkeypatch):
  (tmp_path / 'link').symlink_to(tmp_path / 'nowhere')
  (tmp_path / 'file').touch()
  for name, reason in {
    'link': f'{tmp_path}/link is a link to {tmp_path}/nowhere, which is not',
    'link/below': f'{tmp_path}/link is a link to {tmp_path}/nowhere, which',
    'file/below': f'{tmp_path}/file is not a folder',
    'a' * 300: 'too long',
    'd\udce9': 'not valid in the encoding of your locale',
  }.items():
    assert reason in paths.why_not_writable(tmp_path / name)
  assert not paths.why_not_writable(tmp_path / 'new' / 'folder')
  # Root may write anywhere, so ask os.access instead of changing the mode.
  monkeypatch.setattr(os, 'access', lambda path, mode: False)
  assert 'no permission' in paths.why_not_writable(tmp_path / 'new')
