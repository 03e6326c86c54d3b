"""ArrayRecord files are the same whichever process writes them."""

import hashlib

import pytest

from linac_config import processes
from pipelines.files import array_record
from pipelines.files.formats import FILE_FORMATS

RECORDS = [b'', b'short', bytes(range(256)) * 300]


@pytest.fixture(params=['here', 'elsewhere', 'too large to wait'])
def where(request, monkeypatch, all_cores):
  if request.param == 'here':
    monkeypatch.setattr(processes, 'num_cores', lambda: 1)
  elif len(all_cores) == 1:
    pytest.skip('a single core writes its own files')
  elif request.param == 'too large to wait':
    monkeypatch.setattr(array_record, '_MOST_BYTES', 3)
  return request.param


def test_files_are_the_same_in_whichever_process(where, tmp_path):
  from array_record.python import array_record_module

  writer = array_record_module.ArrayRecordWriter(
    str(tmp_path / 'expected'), 'group_size:1'
  )
  for record in RECORDS:
    writer.write(record)
  writer.close()
  expected = (tmp_path / 'expected').read_bytes()
  sha256 = array_record.write_records(tmp_path / 'written', iter(RECORDS))
  assert sha256() == hashlib.sha256(expected).hexdigest()
  assert (tmp_path / 'written').read_bytes() == expected
  read = FILE_FORMATS['array_record'].read(tmp_path / 'written')
  assert list(read) == RECORDS


def test_an_empty_file_can_be_written(tmp_path):
  array_record.write_records(tmp_path / 'empty', iter(()))()
  assert not list(FILE_FORMATS['array_record'].read(tmp_path / 'empty'))


@pytest.mark.parametrize('where', ['elsewhere'], indirect=True)
def test_a_file_that_another_process_cannot_write_is_an_error(where, tmp_path):
  path = tmp_path / 'absent' / 'file'
  sha256 = array_record.write_records(path, iter(RECORDS))
  with pytest.raises(OSError, match=f'{path} cannot be written'):
    sha256()
