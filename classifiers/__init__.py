"""The defended classifier: import, inference, training, attacks.

Exports are lazy, so that what needs no JAX does not import it.
"""

import importlib

from linac_config import shadowed

shadowed.check()

_EXPORTS = {
  'DefendedClassifier': 'defended',
  'Model': 'model',
  'ModelSpec': 'model',
  'WideResNet': 'wide_resnet',
  'load_model': 'model',
  'save_model': 'model',
}

__all__ = list(_EXPORTS)


def __getattr__(name: str):
  if name not in _EXPORTS:
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
  try:
    module = importlib.import_module(f'.{_EXPORTS[name]}', __name__)
  except ImportError:
    shadowed.check('transforms')
    raise
  return getattr(module, name)
