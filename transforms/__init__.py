"""The LINAC transform: one small implicit neural representation per image.

Exports are lazy, so that `transforms.config` can be imported without JAX.
"""

import importlib

_EXPORTS = {
  'LinacConfig': 'config',
  'Draws': 'draws',
  'draw': 'draws',
  'fit': 'fitting',
  'LinacFit': 'transform',
  'StartedFit': 'transform',
  'default_images_per_batch': 'transform',
  'linac': 'transform',
  'start_fit': 'transform',
}

__all__ = list(_EXPORTS)


def __getattr__(name: str):
  if name not in _EXPORTS:
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
  module = importlib.import_module(f'.{_EXPORTS[name]}', __name__)
  return getattr(module, name)
