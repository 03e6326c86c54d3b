"""Files in a local folder or in a bucket of Google Cloud Storage (`gs://`).

A path is a `pathlib.Path` or, in a bucket, a `UPath`. Both have the same
methods for reading and listing; this module has the operations that differ.

A file is either complete or not there: it is renamed into place, or uploaded,
after it has been written.
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

from linac_config import paths

# The number of requests to a bucket at a time. A request takes 20 to 100 ms.
_THREADS = 16
# The number of bytes that one request to a bucket asks for.
_BLOCK = 2**26
# The longest waits for a connection and for the next byte of an answer, in
# seconds. After that the client repeats the request; by default it would wait
# for ever.
_TIMEOUTS = {'sock_connect': 30, 'sock_read': 120}
# The names of two facts that are recorded with an object when it is uploaded:
# its hash and the time. They belong to its contents: a copy has the same, and
# an object that somebody else writes over it has none.
SHA256, WRITTEN = 'sha256', 'written_ns'
# A part of the names of files that are not complete yet.
_PART = '.tmp'


def path(text: str | os.PathLike) -> pathlib.Path:
  """The absolute path of a file or folder, as `pathlib.Path` or `UPath`.

  Args:
    text: The path as the user wrote it; it may start with `~` or `gs://`.

  Raises:
    ValueError: if the path is neither local nor one of `gs://`, if the home
      folder that `~` stands for is not known, or if gcsfs, which paths of
      `gs://` need, is not installed.
  """
  text = os.fspath(text)
  if '://' not in text:
    return pathlib.Path(paths.absolute(text))
  if not text.startswith('gs://'):
    raise ValueError(f'{text} is neither a local path nor one of gs://.')
  if re.search(r'[*?\[\]]', text):
    raise ValueError(
      f'{text} must not have *, ?, [ or ] in it. Choose another name.'
    )
  # Without this, gcsfs would ask with each request whether the bucket has a
  # hierarchical namespace, which is of no use here.
  os.environ.setdefault('GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT', 'false')
  # Imported here, because these imports take half a second.
  try:
    import aiohttp
    import gcsfs  # noqa: F401
    from upath import UPath
  except ImportError as error:
    raise ValueError(f"{text} needs gcsfs: pip install -e '.[gcp]'.") from error

  # Listings are not cached, because other processes add files. The MD5 of each
  # upload is compared.
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
  """The classes of errors that reading and writing files may raise."""
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
  """Gives the path of a local file, which becomes `path` when the block ends.

  The block writes that file. If the block raises, the file is removed, and
  `path` is as it was before.
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
  """A new path for the file that will become `path`."""
  # Other processes may write the same file, and those of another machine may
  # have the same pid.
  return path.with_name(f'{path.name}{_PART}{secrets.token_hex(4)}')


def final_name(path: pathlib.Path) -> str:
  """The name that a file has, or will have once it is complete."""
  return path.name.partition(_PART)[0]


def remove_parts(folder: pathlib.Path) -> None:
  """Removes incomplete files that killed processes left in a folder, or below.

  No other process may be writing there meanwhile.
  """
  if not is_remote(folder):  # A bucket never has incomplete files.
    for part in folder.rglob(f'*{_PART}{"[0-9a-f]" * 8}'):
      remove(part)


@contextlib.contextmanager
def local_copy(path: pathlib.Path) -> Iterator[pathlib.Path]:
  """Gives the path of a local file with the contents of `path`.

  It is `path` itself if that is local. Else the file is downloaded, and removed
  when the block ends.
  """
  if is_remote(path):
    yield (copy := _Download(path)).path
    del copy  # This removes its file.
  else:
    yield path


@contextlib.contextmanager
def kept_copy(path: pathlib.Path) -> Iterator[pathlib.Path]:
  """Like `local_copy`, but keeps the last download for the next call.

  If that call is for the same path, and the file has not been replaced,
  nothing is downloaded again.
  """
  if is_remote(path):
    generation = path.fs.info(str(path))['generation']
    yield (copy := _last_download(path, generation)).path
    del copy
  else:
    yield path


class _Download:
  """A local copy of a file in a bucket.

  Attributes:
    path: The path of the copy, which is removed with this object.
  """

  def __init__(self, source: pathlib.Path):
    f = _temporary_file()
    weakref.finalize(self, f.close)
    self.path = _path_of(f)
    # With such large blocks, one request is enough for most files.
    with source.open('rb', block_size=_BLOCK) as remote:
      shutil.copyfileobj(remote, f, _BLOCK // 4)
    f.flush()


@functools.lru_cache(maxsize=1)
def _last_download(path: pathlib.Path, generation: str) -> _Download:
  """Downloads a file of a bucket, or gives the copy of the last call.

  Args:
    path: The path of the file.
    generation: The file's generation, which changes when it is replaced.
  """
  del generation
  return _Download(path)


def _temporary_file() -> IO[bytes]:
  """An open temporary file. On Linux it has no name.

  So nothing is left of it on disk, even if this process is killed.
  """
  if sys.platform == 'linux':
    return tempfile.TemporaryFile()
  return tempfile.NamedTemporaryFile()


def _path_of(f: IO[bytes]) -> pathlib.Path:
  """A path by which this process and its children can open a file again."""
  if sys.platform == 'linux':
    return pathlib.Path(f'/proc/{os.getpid()}/fd/{f.fileno()}')
  return pathlib.Path(f.name)


def write_text(path: pathlib.Path, text: str) -> None:
  """Writes a small text file in UTF-8, on disk or in a bucket."""
  with writing(path) as part:
    part.write_text(text, encoding='utf-8')


def file_sha256(path: pathlib.Path) -> str:
  """The SHA-256 of a file, in hexadecimal.

  If this project uploaded the file to a bucket, the hash was recorded then, and
  the file is not downloaded to compute it.
  """
  if is_remote(path):
    recorded = path.fs.info(str(path)).get('metadata', {}).get(SHA256)
    if recorded:
      return recorded
  with local_copy(path) as local, open(local, 'rb') as f:
    return hashlib.file_digest(f, 'sha256').hexdigest()


def link(source: pathlib.Path, target: pathlib.Path) -> None:
  """Gives a file a second name, without reading its data.

  On disk the second name is a hard link. In a bucket the server makes a copy.
  An existing target is replaced.

  Raises:
    OSError: if the file system has no hard links, or the source is missing.
  """
  if is_remote(source):
    source.fs.cp_file(str(source), str(target))
    return
  # Beside the source, a killed build leaves it in a folder that is removed.
  part = _part_of(source)
  os.link(source, part)
  try:
    part.replace(target)
  finally:
    # If both are links of the same file already, `replace` leaves the part.
    part.unlink(missing_ok=True)


def remove(path: pathlib.Path) -> None:
  """Removes a file, or a folder with all its files, if it is there."""
  if is_remote(path):
    with contextlib.suppress(FileNotFoundError):
      path.fs.rm(str(path), recursive=True)
  elif path.is_dir():
    shutil.rmtree(path)
  else:
    path.unlink(missing_ok=True)


def map_files(function: Callable, items: Iterable, remote: bool) -> list:
  """Calls a function that opens a file for each item.

  Args:
    function: A function of one item.
    items: The items.
    remote: Whether the files are in a bucket. Then many calls run at a time, in
      threads, because each one waits for answers.

  Returns:
    The results, in the order of the items.
  """
  if not remote:
    return [function(item) for item in items]
  with concurrent.futures.ThreadPoolExecutor(_THREADS) as pool:
    return list(pool.map(function, items))
