"""TFDS datasets of LINAC representations, registered by importing this package.

`cifar10_linac` is the dataset. `sample` is a small set of drawn images, from
which `cifar10_linac` can be built without a network. The names in `__all__` are
public. The transform itself, `linac`, is imported at its first use, because
importing JAX takes a second.
"""

from linac_config import shadowed

try:
  from linac_config.config import LinacConfig
  from linac_tfds.builder_config import LinacBuilderConfig
  from linac_tfds.cifar10_linac.cifar10_linac_dataset_builder import (
    Builder as Cifar10Linac,
  )
  from linac_tfds.sample.sample_dataset_builder import Builder as Sample
except Exception as error:  # A user's `queue.py` can raise any exception.
  shadowed.explain(error)
  raise

__all__ = [
  'Cifar10Linac',
  'LinacBuilderConfig',
  'LinacConfig',
  'Sample',
  'linac',
]


def __getattr__(name: str):
  if name != 'linac':
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
  if shadowed.hiding('transforms'):
    from linac_tfds.own_transforms.transform import linac
  else:
    from transforms import linac
  return linac
