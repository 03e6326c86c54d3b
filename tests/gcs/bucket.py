"""A bucket on this machine, in a process of its own, and faults in it."""

import json
import pathlib
import subprocess
import sys
import urllib.request

import pytest

from pipelines.files import storage
from tests.gcs.emulator import BUCKET


class Bucket:
  """The emulator's bucket; its URL is in the environment of all processes."""

  def __init__(self, url: str):
    self._url = url
    self.root = storage.path(f'gs://{BUCKET}')

  def fail(self, kind: int | str, match: str, times: int) -> None:
    """Lets the next requests fail, too, see `tests.gcs.emulator`."""
    fault = {'kind': kind, 'match': match, 'times': times}
    self._faults([*self._faults(None), fault])

  def faults_left(self) -> int:
    """Requests that are yet to fail."""
    return sum(fault['times'] for fault in self._faults(None))

  def _faults(self, faults: list | None) -> list:
    data = None if faults is None else json.dumps(faults).encode()
    with urllib.request.urlopen(f'{self._url}/faults', data) as answer:
      return json.load(answer)


@pytest.fixture(scope='session')
def gcs_server():
  """The URL of an emulator that ends with the tests."""
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
    # What the emulator does not have is waited for.
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
