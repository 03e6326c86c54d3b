"""The LINAC transform: one small implicit neural representation per image.

It imports nothing of this project but `linac_config`, and its own modules by
relative names: where a user's `transforms` hides this one, it is found under
another name, as `linac_tfds.own_transforms`. The names in `__all__` are public;
they are imported when first used, because JAX takes a second.
"""

import importlib

_EXPORTS = {
  'LinacConfig': 'linac_config',
  'Draws': '.draws',
  'draw': '.draws',
  'fit': '.fitting',
  'LinacFit': '.transform',
  'StartedFit': '.transform',
  'default_images_per_batch': '.transform',
  'linac': '.transform',
  'start_fit': '.transform',
}

__all__ = list(_EXPORTS)


def __getattr__(name: str):
  if name not in _EXPORTS:
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
  return getattr(importlib.import_module(_EXPORTS[name], __name__), name)
