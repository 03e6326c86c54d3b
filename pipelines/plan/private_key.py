"""Seeds that stay secret: workers read them, and nothing writes them down.

A plan says where the key is and has a random id in its place. Only the
representations and their statistics depend on the key itself.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import secrets
import stat

from linac_config import KeylessConfig
from pipelines.files import storage

ENVIRONMENT = 'LINAC_PRIVATE_KEY'
# Keeps the id beside the versions of the dataset.
_ID_FILE = 'private_key_id'


@dataclasses.dataclass(frozen=True)
class PrivateKey:
  """What may be known of a private key.

  Attributes:
    name: of the dataset's config.
    id: random, drawn when the config was first built.
    file: that holds the key, or None if `LINAC_PRIVATE_KEY` does.
  """

  name: str
  id: str
  file: str | None

  def read(self) -> int:
    """The key.

    Raises:
      ValueError: if there is none; what there is is not shown.
    """
    if self.file is None:
      where, text = ENVIRONMENT, os.environ.get(ENVIRONMENT, '')
    else:
      where = self.file
      try:
        text = storage.path(self.file).read_text()
      except Exception as error:  # Clients of remote files have their own.
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
    # Neither this error nor one that it came from may hold the text.
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
  """The private key of a config, checked.

  Args:
    folder: of the config.
    name: of the config.
    file: that holds the key, or None for `LINAC_PRIVATE_KEY`.

  Raises:
    ValueError: if there is no valid key.
  """
  if file is not None:
    file = str(storage.path(file))
  if file is None and ENVIRONMENT not in os.environ:
    raise ValueError(
      f'config_name={name!r} needs a key: pass --private_key_file or set '
      f'{ENVIRONMENT}.'
    )
  try:
    found = (folder / _ID_FILE).read_text()
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
  """Keeps the id, so that the next build of the config goes on."""
  storage.write_text(folder / _ID_FILE, key.id)


def warnings(key: PrivateKey, config: KeylessConfig) -> list[str]:
  """What makes the key worth less than it could be."""
  found = []
  if config.key_derivation == 'published':
    found.append(
      "key_derivation='published' uses the lowest 32 bits of a key. A stored "
      'representation tells in one forward pass whether a guess is right, so '
      'all 2**32 can be tried. Pass --key_derivation=full for 64 bits.'
    )
  file = storage.path(key.file) if key.file else None
  if file is not None and not storage.is_remote(file):
    mode = stat.S_IMODE(file.stat().st_mode)
    if mode & 0o077:
      found.append(
        f'{key.file} can be read by others, its mode is {mode:o}. Run '
        f'`chmod 600 {key.file}`.'
      )
  return found
