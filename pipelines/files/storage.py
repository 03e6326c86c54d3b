"""Files in a local folder or in a bucket of Google Cloud Storage (`gs://`).

Paths are `pathlib.Path` or, for a bucket, `UPath` objects, which share their
methods for reading and listing. What differs is here. Files are whole or not
there at all: renamed into place, or uploaded, once they are written.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import hashlib
import os
import pathlib
import re
import secrets
import shutil
import sys
import tempfile
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import IO

# Requests to a bucket at a time; a request takes 20 to 100 ms.
_THREADS = 16
# Bytes to ask a bucket for at a time.
_BLOCK = 2**26
# Seconds for a connection, and without a byte of an answer. The client makes
# the request again then; by itself it would wait for ever.
_TIMEOUTS = {'sock_connect': 30, 'sock_read': 120}
# What an object is uploaded with: its hash, and when. Both stay with its
# contents: copies have them, and what replaces them has none.
SHA256, WRITTEN = 'sha256', 'written_ns'
# In the name of a file that is not whole yet.
_PART = '.tmp'


def path(text: str | os.PathLike) -> pathlib.Path:
  """The path that a user wrote, absolute.

  Raises:
    ValueError: if it is in a place that is not supported.
  """
  text = os.fspath(text)
  if '://' not in text:
    return pathlib.Path(os.path.abspath(os.path.expanduser(text)))
  if not text.startswith('gs://'):
    raise ValueError(f'{text} is neither a local path nor one of gs://.')
  if re.search(r'[*?\[\]]', text):
    raise ValueError(f'{text} must not have *, ?, [ or ] in it.')
  # Of no use here: buckets with hierarchies are asked for with each request.
  os.environ.setdefault('GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT', 'false')
  # Imported here, because they take half a second.
  try:
    import aiohttp
    import gcsfs  # noqa: F401
    from upath import UPath
  except ImportError as error:
    raise ValueError(f"{text} needs gcsfs: pip install -e '.[gcp]'.") from error

  # Other processes add files; each upload is compared with its MD5.
  return UPath(
    text,
    use_listings_cache=False,
    consistency='md5',
    requests_timeout=aiohttp.ClientTimeout(**_TIMEOUTS),
  )


def is_remote(path: pathlib.Path) -> bool:
  """Whether a path is in a bucket."""
  return not isinstance(path, pathlib.Path)


def errors() -> tuple[type[Exception], ...]:
  """What reading and writing files raises, to be caught."""
  found = [OSError]
  if 'gcsfs' in sys.modules:
    import aiohttp
    import gcsfs.retry
    import google.auth.exceptions

    found += [
      aiohttp.ClientError,
      gcsfs.retry.HttpError,
      gcsfs.retry.ChecksumError,
      gcsfs.retry.NonRetryableError,
      google.auth.exceptions.GoogleAuthError,
    ]
  return tuple(found)


@contextlib.contextmanager
def writing(path: pathlib.Path) -> Iterator[pathlib.Path]:
  """Gives a local file to write, which becomes `path` when the block ends.

  If the block raises, nothing becomes of the file.
  """
  if is_remote(path):
    with _temporary_file() as f:
      part = _path_of(f)
      yield part
      metadata = {SHA256: file_sha256(part), WRITTEN: str(time.time_ns())}
      path.fs.put_file(str(part), str(path), metadata=metadata)
    return
  part = _part_of(path)
  try:
    yield part
    with open(part, 'rb') as f:
      os.fsync(f.fileno())
    part.rename(path)
  except BaseException:
    part.unlink(missing_ok=True)
    raise


def _part_of(path: pathlib.Path) -> pathlib.Path:
  # Other processes may write the same, on other machines with equal pids.
  return path.with_name(f'{path.name}{_PART}{secrets.token_hex(4)}')


def final_name(path: pathlib.Path) -> str:
  """The name that a file has once it is whole."""
  return path.name.partition(_PART)[0]


def remove_parts(folder: pathlib.Path) -> None:
  """Removes what a killed process left half written, also below the folder.

  No other process may be writing there.
  """
  if not is_remote(folder):  # A bucket has no halves.
    for part in folder.rglob(f'*{_PART}*'):
      remove(part)


@contextlib.contextmanager
def local_copy(path: pathlib.Path) -> Iterator[pathlib.Path]:
  """A local file with the contents of `path`: itself, if it is local."""
  if is_remote(path):
    yield (copy := _Download(path)).path
    del copy  # Its file goes with it.
  else:
    yield path


@contextlib.contextmanager
def kept_copy(path: pathlib.Path) -> Iterator[pathlib.Path]:
  """As `local_copy`, but downloads nothing if it is the same as last time."""
  if is_remote(path):
    yield (copy := _last_download(path)).path
    del copy
  else:
    yield path


class _Download:
  """A local copy, which is gone with this object."""

  def __init__(self, source: pathlib.Path):
    f = _temporary_file()
    weakref.finalize(self, f.close)
    self.path = _path_of(f)
    # Reads ahead: most files take one request.
    with source.open('rb', block_size=_BLOCK) as remote:
      shutil.copyfileobj(remote, f, _BLOCK // 4)
    f.flush()


_last_download = functools.lru_cache(maxsize=1)(_Download)


def _temporary_file() -> IO[bytes]:
  """An open file; on Linux one that is gone with a process that is killed."""
  if sys.platform == 'linux':
    return tempfile.TemporaryFile()
  return tempfile.NamedTemporaryFile()


def _path_of(f: IO[bytes]) -> pathlib.Path:
  if sys.platform == 'linux':
    return pathlib.Path(f'/proc/self/fd/{f.fileno()}')
  return pathlib.Path(f.name)


def write_text(path: pathlib.Path, text: str) -> None:
  """Writes a small file."""
  with writing(path) as part:
    part.write_text(text)


def file_sha256(path: pathlib.Path) -> str:
  """SHA-256 of a file, in hexadecimal.

  Of an object that was uploaded from here, it is what it was found to be then,
  and is not downloaded for.
  """
  if is_remote(path):
    recorded = path.fs.info(str(path)).get('metadata', {}).get(SHA256)
    if recorded:
      return recorded
  with local_copy(path) as local, open(local, 'rb') as f:
    return hashlib.file_digest(f, 'sha256').hexdigest()


def link(source: pathlib.Path, target: pathlib.Path) -> None:
  """Gives a file a second name without moving its data through this process.

  On disk the two are one; in a bucket the server copies. What has the name is
  replaced.
  """
  if is_remote(source):
    source.fs.cp_file(str(source), str(target))
    return
  part = _part_of(target)
  os.link(source, part)
  try:
    part.replace(target)
  finally:
    part.unlink(missing_ok=True)  # Nothing is replaced by another link of it.


def remove(path: pathlib.Path) -> None:
  """Removes a file, or a folder and all in it, if it is there."""
  if is_remote(path):
    with contextlib.suppress(FileNotFoundError):
      path.fs.rm(str(path), recursive=True)
  elif path.is_dir():
    shutil.rmtree(path)
  else:
    path.unlink(missing_ok=True)


def map_files(function: Callable, items: Iterable, remote: bool) -> list:
  """The results of a function that opens a file, for each item in order.

  Args:
    function: to be called.
    items: that it takes.
    remote: whether the files are in a bucket; then many are opened at a time.
  """
  if not remote:
    return [function(item) for item in items]
  with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
    return list(pool.map(function, items))
