"""Finds out within seconds whether a bucket can be used, and says why not.

Clients try again for half a minute whatever goes wrong, and then name a URL.
"""

from __future__ import annotations

import pathlib

import requests

from pipelines.errors import BuildError
from pipelines.files import storage

READ = ('storage.objects.get', 'storage.objects.list')
WRITE = (*READ, 'storage.objects.create', 'storage.objects.delete')

_TIMEOUT = 10  # Seconds.


def readable(text: str) -> pathlib.Path:
  """The path of a dataset that a user wrote.

  Raises:
    BuildError: if it is in a bucket that cannot be read.
    ValueError: if it is neither local nor in a bucket.
  """
  path = storage.path(text)
  if storage.is_remote(path):
    check_access(path, READ)
  return path


def check_access(path: pathlib.Path, permissions: tuple[str, ...]) -> None:
  """Makes sure that there is a bucket in which everything needed is allowed.

  Args:
    path: in the bucket.
    permissions: `READ` or `WRITE`.

  Raises:
    BuildError: naming the bucket and what to do.
  """
  bucket = f'gs://{path.fs.split_path(str(path))[0]}'
  try:
    requests.get(path.fs.base, timeout=_TIMEOUT)
    path.fs.credentials.maybe_refresh()
    allowed = _allowed(path.fs, bucket.removeprefix('gs://'), permissions)
  except FileNotFoundError as error:
    raise BuildError(
      f'The bucket {bucket} does not exist. Make it with `gcloud storage '
      f'buckets create {bucket}`, or pass another path than {path}.'
    ) from error
  except requests.RequestException as error:
    raise BuildError(
      f'{path} cannot be reached: there is no connection to {path.fs.base}.'
    ) from error
  except storage.errors() as error:
    if getattr(error, 'code', 401) not in (401, 403, '401', '403'):
      raise BuildError(f'{path} cannot be used: {error}') from error
    allowed = set()
  if missing := [p for p in permissions if p not in allowed]:
    raise BuildError(
      f'{path} cannot be used: {_account(path.fs)} lacks '
      f'{", ".join(missing)} in {bucket}. Log in with `gcloud auth '
      'application-default login`, or have the role roles/storage.objectUser '
      'granted there.'
    )


def _allowed(fs, bucket: str, permissions: tuple[str, ...]) -> set[str]:
  # What may be done is asked for, not tried: nothing is left behind.
  answer = fs.call(
    'GET',
    'b/{}/iam/testPermissions',
    bucket,
    permissions=list(permissions),
    json_out=True,
  )
  return set(answer.get('permissions', ()))


def _account(fs) -> str:
  credentials = fs.credentials.credentials
  if credentials is None:
    return 'nobody is logged in, and everybody'
  return getattr(credentials, 'service_account_email', 'your account')
