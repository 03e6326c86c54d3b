"""The LINAC transform: one small implicit neural representation per image.

It imports nothing of this project but `linac_config`. The names in `__all__`
are public; they are imported when first used, because JAX takes a second.
"""

import importlib

_EXPORTS = {
  'LinacConfig': 'linac_config',
  'Draws': 'transforms.draws',
  'draw': 'transforms.draws',
  'fit': 'transforms.fitting',
  'LinacFit': 'transforms.transform',
  'StartedFit': 'transforms.transform',
  'default_images_per_batch': 'transforms.transform',
  'linac': 'transforms.transform',
  'start_fit': 'transforms.transform',
}

__all__ = list(_EXPORTS)


def __getattr__(name: str):
  if name not in _EXPORTS:
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
  return getattr(importlib.import_module(_EXPORTS[name]), name)
