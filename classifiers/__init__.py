"""The defended classifier: import, inference, training, attacks.

Exports are lazy, so that what needs no JAX does not import it.
"""

import importlib

_EXPORTS = {
  'DefendedClassifier': 'defence.classifier',
  'Model': 'network.model',
  'ModelSpec': 'network.model',
  'WideResNet': 'network.wide_resnet',
  'load_model': 'network.model',
  'save_model': 'network.model',
}

__all__ = list(_EXPORTS)


def __getattr__(name: str):
  if name not in _EXPORTS:
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
  module = importlib.import_module(f'.{_EXPORTS[name]}', __name__)
  return getattr(module, name)
