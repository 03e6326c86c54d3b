import struct

import google_crc32c
import pytest
import tensorflow as tf

from pipelines.files.tfrecord import read_records, write_records

RECORDS = [b'', b'one', bytes(range(256)) * 400, b'last']


@pytest.fixture
def path(tmp_path):
  path = tmp_path / 'records'
  write_records(path, RECORDS)
  return path


def test_tensorflow_reads_a_written_file(path):
  dataset = tf.data.TFRecordDataset(str(path))
  assert list(dataset.as_numpy_iterator()) == RECORDS


def test_a_file_that_tensorflow_wrote_is_read(tmp_path):
  with tf.io.TFRecordWriter(str(tmp_path / 'theirs')) as writer:
    for record in RECORDS:
      writer.write(record)
  assert list(read_records(tmp_path / 'theirs', 0, 4)) == RECORDS


def test_a_part_is_read(path):
  assert list(read_records(path, 1, 2)) == RECORDS[1:3]
  assert list(read_records(path, 4, 0)) == []


def test_all_are_read(path):
  assert list(read_records(path)) == RECORDS


def test_too_few_records_are_an_error(path):
  with pytest.raises(ValueError, match='ends before its record 4'):
    list(read_records(path, 2, 3))


@pytest.mark.parametrize('position', [0, 9, 20, -2])
def test_a_flipped_bit_is_an_error(path, position):
  data = bytearray(path.read_bytes())
  data[position] ^= 1
  path.write_bytes(data)
  with pytest.raises(ValueError, match=r'records is damaged'):
    list(read_records(path, 0, 4))


def test_a_truncated_record_is_an_error(path):
  path.write_bytes(path.read_bytes()[:-3])
  with pytest.raises(ValueError, match='cut in its record 3'):
    list(read_records(path, 0, 4))


@pytest.mark.parametrize(('skip', 'take'), [(0, 1), (1, 1)])
def test_a_record_longer_than_its_file_is_an_error(path, skip, take):
  """The checksum of the length is right: the file was made so on purpose."""
  length = struct.pack('<Q', 2**63)
  crc = google_crc32c.value(length)
  masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
  path.write_bytes(length + struct.pack('<I', masked))
  with pytest.raises(ValueError, match='cut in its record 0'):
    list(read_records(path, skip, take))
