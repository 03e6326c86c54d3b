"""The places that paths mean, as users write them."""

from __future__ import annotations

import os
import pathlib


def absolute(text: str | os.PathLike) -> str:
  """Returns the absolute form of a path, which may start with `~`.

  It means the same place after the current folder has changed. A URL, such as
  one of `gs://`, is returned as it is.

  Raises:
    ValueError: if the home folder that `~` stands for, or the current folder to
      which the path is relative, is not known.
  """
  text = os.fspath(text)
  if '://' in text:
    return text
  expanded = os.path.expanduser(text)
  if expanded.startswith('~'):
    raise ValueError(
      f'{text!r} starts with ~, but the home folder is not known. Write the '
      f'whole path, or ./{text} for a folder of this name.'
    )
  try:
    return os.path.abspath(expanded)
  except FileNotFoundError as error:
    raise ValueError(
      f'{text!r} is relative to the current folder, which has been deleted. '
      'Write the whole path.'
    ) from error


def why_not_writable(folder: str | os.PathLike) -> str:
  """Says why this user cannot write into a folder, which need not exist yet.

  Args:
    folder: The absolute path of a local folder.

  Returns:
    The reason, such as `/data gives no permission`, or '' if there is none.
  """
  path = pathlib.Path(folder)
  try:
    str(path).encode()
  except UnicodeEncodeError:  # TensorFlow's libraries take UTF-8 only.
    return (
      'its name is not valid in the encoding of your locale; set LC_ALL=C.UTF-8'
    )
  for place in (path, *path.parents):
    try:
      place.lstat()
    except (FileNotFoundError, NotADirectoryError):
      continue  # Its closest parent that exists decides.
    except OSError as error:  # Its name is too long, or nobody may look there.
      return str(error)
    if place.is_symlink() and not place.exists():
      return f'{place} is a link to {place.readlink()}, which is not there'
    if not place.is_dir():
      return f'{place} is not a folder'
    if os.statvfs(place).f_flag & os.ST_RDONLY:
      return f'{place} is on a disk that is mounted read-only'
    if not os.access(place, os.W_OK | os.X_OK):
      return f'{place} gives no permission'
    break
  return ''
