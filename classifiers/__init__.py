"""The defended classifier: its network, training, evaluation and attacks.

The four commands are at the top: `train`, `evaluate`, `attack` and
`import_published`. This package may import `linac_config`, `linac_tfds` and
`transforms`. The names in `__all__` are public. They are imported when they are
first used, because JAX takes a second to import.
"""

import importlib

from linac_config import shadowed

shadowed.check()

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
  try:
    module = importlib.import_module(f'.{_EXPORTS[name]}', __name__)
  except ImportError:
    shadowed.check('transforms')
    raise
  return getattr(module, name)
