"""Lists folders on disk and in buckets: names, sizes, times and hashes."""

from __future__ import annotations

import contextlib
import os
import pathlib

from pipelines.files import storage


def entries(folder: pathlib.Path) -> list[pathlib.Path]:
  """What is in a folder, nothing if it is not there; sorted by name."""
  try:
    if storage.is_remote(folder):
      names = {name.rpartition('/')[2] for name in folder.fs.ls(str(folder))}
    else:
      names = os.listdir(folder)
  except FileNotFoundError:
    return []
  return [folder / name for name in sorted(names)]


def times(folder: pathlib.Path) -> dict[str, float]:
  """When each file in a folder was written, in seconds since the epoch.

  All links of a file have its time, and so have those in a bucket.
  """
  if not storage.is_remote(folder):
    return {name: stat.st_mtime for name, stat in _stats(folder).items()}
  found = {}
  for name, info in _objects(folder).items():
    written = info.get('metadata', {}).get(storage.WRITTEN)
    found[name] = int(written) / 1e9 if written else info['mtime'].timestamp()
  return found


def uploaded_hashes(folder: pathlib.Path) -> dict[str, str]:
  """SHA-256 of what was uploaded into a folder from here; none on disk."""
  if not storage.is_remote(folder):
    return {}
  found = {
    name: info.get('metadata', {}).get(storage.SHA256)
    for name, info in _objects(folder).items()
  }
  return {name: value for name, value in found.items() if value}


def sizes(folder: pathlib.Path) -> dict[str, int]:
  """The bytes of each file in a folder."""
  if storage.is_remote(folder):
    return {name: info['size'] for name, info in _objects(folder).items()}
  return {name: stat.st_size for name, stat in _stats(folder).items()}


def _objects(folder: pathlib.Path) -> dict[str, dict]:
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
  found = {}
  for path in entries(folder):
    with contextlib.suppress(FileNotFoundError):  # Others come and go.
      if path.is_file():
        found[path.name] = path.stat()
  return found
