"""The LINAC transform: one small implicit neural representation per image.

The names in `__all__` are public. Each is imported at its first use, because
importing JAX takes a second.

This package imports only `linac_config` from this project, and its own modules
by relative names. So it also works under its second name,
`linac_tfds.own_transforms`, which is used where a module of the user's is
called `transforms` and hides this one.
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
