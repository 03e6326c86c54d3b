"""Private keys: seeds that workers read and that no file of a dataset records.

A plan names the place of the key, and holds a random id instead of the key.
Only the representations and their statistics depend on the key itself.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import secrets
import shlex
import stat

from linac_config import KeylessConfig
from pipelines.files import storage

# The environment variable that holds the key if no file does.
ENVIRONMENT = 'LINAC_PRIVATE_KEY'
# The file that keeps the id, in the config's folder beside its versions.
_ID_FILE = 'private_key_id'


@dataclasses.dataclass(frozen=True)
class PrivateKey:
  """A private key, known by its name and its place but not by its value.

  Attributes:
    name: The name of the dataset's config.
    id: A random id of 16 hexadecimal digits. It is drawn when the config is
      first built, and stands for the key in fingerprints and metadata.
    file: The path of the file that holds the key, or None if the environment
      variable `LINAC_PRIVATE_KEY` holds it.
  """

  name: str
  id: str
  file: str | None

  def read(self) -> int:
    """Reads the key, an integer of 64 bits, signed.

    Raises:
      ValueError: if there is no valid key. The message does not show what is in
        its place.
    """
    if self.file is None:
      where, text = ENVIRONMENT, os.environ.get(ENVIRONMENT, '')
    else:
      where = self.file
      try:
        text = storage.path(self.file).read_text(encoding='utf-8')
      except Exception as error:  # Clients of buckets raise other classes.
        reason = getattr(error, 'strerror', None) or type(error).__name__
        raise ValueError(
          f'private_key_file={self.file!r} cannot be read: {reason}.'
        ) from None
    try:
      key = int(text.strip(), 0)
      if -(2**63) <= key < 2**63:
        return key
    except ValueError:
      pass
    # Raised here and not in the `except` above, because neither this error nor
    # its context may hold the text.
    raise ValueError(
      f'{where} must hold one integer of 64 bits, signed, in decimal or 0x '
      'hexadecimal; what it holds is not shown.'
    )

  def public_part(self) -> dict[str, str]:
    """The name and the id, which metadata and fingerprints may hold."""
    return {'name': self.name, 'id': self.id}


def find_private_key(
  folder: pathlib.Path, name: str, file: str | None
) -> PrivateKey:
  """The private key of a config, with its saved id or a new one.

  It reads the key once, to check it.

  Args:
    folder: The config's folder.
    name: The name of the config.
    file: The path of the file that holds the key, or None if the environment
      variable `LINAC_PRIVATE_KEY` holds it.

  Raises:
    ValueError: if there is no valid key, or if the file with the id is damaged.
  """
  if file is not None:
    file = str(storage.path(file))
  if file is None and ENVIRONMENT not in os.environ:
    raise ValueError(
      f'config_name={name!r} needs a key: pass --private_key_file or set '
      f'{ENVIRONMENT}.'
    )
  try:
    found = (folder / _ID_FILE).read_text(encoding='utf-8', errors='replace')
  except FileNotFoundError:
    found = secrets.token_hex(8)
  if not re.fullmatch('[0-9a-f]{16}', found):
    raise ValueError(
      f'{folder / _ID_FILE} is damaged: it must hold 16 hexadecimal digits. '
      'metadata.json of a finished version has them.'
    )
  key = PrivateKey(name, found, file)
  key.read()
  return key


def save_id(folder: pathlib.Path, key: PrivateKey) -> None:
  """Saves the id, by which the next build of the config continues this one."""
  storage.write_text(folder / _ID_FILE, key.id)


def warnings(key: PrivateKey, config: KeylessConfig) -> list[str]:
  """Warnings about settings that make a key easier to guess or to read."""
  found = []
  if config.key_derivation == 'published':
    found.append(
      "key_derivation='published' uses only the lowest 32 bits of a key. One "
      'forward pass shows whether a guessed key fits a stored representation, '
      'so all 2**32 keys can be tried. Pass --key_derivation=full, which uses '
      'all 64 bits.'
    )
  file = storage.path(key.file) if key.file else None
  if file is not None and not storage.is_remote(file):
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & 0o077:
      found.append(
        f'Other users can read {key.file}: its mode is {mode:o}. Run '
        f'`chmod 600 {shlex.quote(key.file)}`.'
      )
  return found
