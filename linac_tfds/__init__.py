"""TFDS datasets of LINAC representations. Importing registers them.

`cifar10_linac` is the dataset; `sample` is a small set of drawn images to build
it from where there is no network.
"""

from linac_tfds.cifar10_linac.cifar10_linac_dataset_builder import (
  Builder as Cifar10Linac,
)
from linac_tfds.cifar10_linac.cifar10_linac_dataset_builder import (
  LinacBuilderConfig,
)
from linac_tfds.sample.sample_dataset_builder import Builder as Sample

__all__ = ['Cifar10Linac', 'LinacBuilderConfig', 'Sample']
