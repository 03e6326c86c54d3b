"""Fixtures of a bucket that a local process serves, with faults on demand."""

import json
import pathlib
import subprocess
import sys
import urllib.request

import pytest

from pipelines.files import storage
from tests.gcs.emulator import BUCKET


class Bucket:
  """The emulator's bucket, which the environment tells all processes to use."""

  def __init__(self, url: str):
    self._url = url
    self.root = storage.path(f'gs://{BUCKET}')

  def fail(self, kind: int | str, match: str, times: int) -> None:
    """Adds a fault: the next requests that match fail.

    Args:
      kind: The kind of the fault, see `tests.gcs.emulator`.
      match: A regular expression for the method and URL of a request.
      times: The number of requests that fail.
    """
    fault = {'kind': kind, 'match': match, 'times': times}
    self._faults([*self._faults(None), fault])

  def faults_left(self) -> int:
    """Returns the number of requests that will still fail."""
    return sum(fault['times'] for fault in self._faults(None))

  def _faults(self, faults: list | None) -> list:
    data = None if faults is None else json.dumps(faults).encode()
    with urllib.request.urlopen(f'{self._url}/faults', data) as answer:
      return json.load(answer)


@pytest.fixture(scope='session')
def gcs_server():
  """The URL of an emulator that runs until the tests end."""
  with subprocess.Popen(
    [sys.executable, '-m', 'tests.gcs.emulator'],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
    cwd=pathlib.Path(__file__).parents[2],
  ) as server:
    yield f'http://127.0.0.1:{server.stdout.readline().strip()}'
    server.stdin.close()


@pytest.fixture
def bucket(gcs_server, monkeypatch) -> Bucket:
  """An empty bucket."""
  for name, value in {
    'STORAGE_EMULATOR_HOST': gcs_server,
    # Clients would wait for these services, which the emulator does not have.
    'GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT': 'false',
    'NO_GCE_CHECK': 'true',
    'EPATH_USE_TF': 'false',
  }.items():
    monkeypatch.setenv(name, value)
  urllib.request.urlopen(f'{gcs_server}/wipe?keep-buckets=1').close()
  bucket = Bucket(gcs_server)
  bucket._faults([])
  yield bucket
  bucket.root.fs.clear_instance_cache()
