"""Checks within seconds whether a bucket can be used, and says why not.

The clients themselves repeat any failed request for half a minute, and then
raise an error that names a URL in place of the cause.
"""

from __future__ import annotations

import pathlib

import requests

from pipelines.errors import BuildError
from pipelines.files import storage

READ = ('storage.objects.get', 'storage.objects.list')
WRITE = (*READ, 'storage.objects.create', 'storage.objects.delete')

_TIMEOUT = 10  # Seconds.


def readable_path(text: str) -> pathlib.Path:
  """The path of a dataset, checked to be local or in a bucket that can be read.

  Args:
    text: The path as the user wrote it.

  Raises:
    BuildError: if it is in a bucket that cannot be read.
    ValueError: if it is neither local nor in a bucket.
  """
  path = storage.path(text)
  if storage.is_remote(path):
    check_access(path, READ)
  return path


def check_access(path: pathlib.Path, permissions: tuple[str, ...]) -> None:
  """Checks that a bucket exists and grants the permissions that are needed.

  Args:
    path: A path in the bucket.
    permissions: The permissions that are needed: `READ` or `WRITE`.

  Raises:
    BuildError: if the bucket does not exist, cannot be reached or does not
      grant a permission. The message names the bucket and says what to do.
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
      f'{path} cannot be reached: there is no connection to {path.fs.base}. '
      'Check the network, and run the same command again.'
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
  """The permissions, of those asked about, that the bucket grants."""
  # They are asked for and not tried out, so that nothing is left behind.
  answer = fs.call(
    'GET',
    'b/{}/iam/testPermissions',
    bucket,
    permissions=list(permissions),
    json_out=True,
  )
  return set(answer.get('permissions', ()))


def _account(fs) -> str:
  """The account of the requests, as the subject of a message."""
  credentials = fs.credentials.credentials
  if credentials is None:
    return 'nobody is logged in, and everybody'
  return getattr(credentials, 'service_account_email', 'your account')
