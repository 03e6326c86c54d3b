"""Lists folders on disk and in buckets: names, sizes, times and hashes."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re

from pipelines.files import storage

# Operating systems leave files and folders of these names in any folder. No
# file of ours starts with a dot.
_DROPPINGS = re.compile(
  r'\..*|Thumbs\.db|desktop\.ini|\$RECYCLE\.BIN|lost\+found|@eaDir',
  re.IGNORECASE,
)


def entries(folder: pathlib.Path) -> list[pathlib.Path]:
  """The paths in a folder, sorted by name; none if there is no such folder.

  What operating systems leave there, such as `.DS_Store`, is left out.
  """
  try:
    if storage.is_remote(folder):
      names = {name.rpartition('/')[2] for name in folder.fs.ls(str(folder))}
    else:
      names = os.listdir(folder)
  except FileNotFoundError:
    return []
  return [
    folder / name for name in sorted(names) if not _DROPPINGS.fullmatch(name)
  ]


def times(folder: pathlib.Path) -> dict[str, float]:
  """The time at which each file of a folder was written, by the file's name.

  Times are in seconds since the epoch. Links that `storage.link` makes have the
  time of their source, in a bucket as well as on disk.
  """
  if not storage.is_remote(folder):
    return {name: stat.st_mtime for name, stat in _stats(folder).items()}
  found = {}
  for name, info in _objects(folder).items():
    written = info.get('metadata', {}).get(storage.WRITTEN)
    found[name] = int(written) / 1e9 if written else info['mtime'].timestamp()
  return found


def uploaded_hashes(folder: pathlib.Path) -> dict[str, str]:
  """The SHA-256 of each file of a folder in a bucket, by the file's name.

  Only files that this project uploaded have one recorded. On disk none has.
  """
  if not storage.is_remote(folder):
    return {}
  found = {
    name: info.get('metadata', {}).get(storage.SHA256)
    for name, info in _objects(folder).items()
  }
  return {name: value for name, value in found.items() if value}


def sizes(folder: pathlib.Path) -> dict[str, int]:
  """The size of each file of a folder in bytes, by the file's name."""
  if storage.is_remote(folder):
    return {name: info['size'] for name, info in _objects(folder).items()}
  return {name: stat.st_size for name, stat in _stats(folder).items()}


def sizes_and_times(folder: pathlib.Path) -> dict[str, tuple]:
  """Something of each file in a folder that changes when the file does."""
  if storage.is_remote(folder):
    return {
      name: (info['size'], str(info['mtime']))
      for name, info in _objects(folder).items()
    }
  return {n: (s.st_size, s.st_mtime_ns) for n, s in _stats(folder).items()}


def _objects(folder: pathlib.Path) -> dict[str, dict]:
  """The facts that a bucket lists about each file of a folder, by its name."""
  try:
    found = folder.fs.ls(str(folder), detail=True)
  except FileNotFoundError:
    return {}
  return {
    info['name'].rpartition('/')[2]: info
    for info in found
    if info['type'] == 'file'
  }


def _stats(folder: pathlib.Path) -> dict[str, os.stat_result]:
  """The `os.stat` of each file of a folder on disk, by the file's name."""
  found = {}
  for path in entries(folder):
    # Another process may remove a file after it was listed.
    with contextlib.suppress(FileNotFoundError):
      if path.is_file():
        found[path.name] = path.stat()
  return found
