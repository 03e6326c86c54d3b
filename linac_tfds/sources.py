"""Finds the TFDS image dataset whose images are fitted."""

from __future__ import annotations

import contextlib
import re

import tensorflow_datasets as tfds
from tensorflow_datasets.core.utils import file_utils

from linac_config import paths
from linac_config.errors import is_about_contents


def find_source(
  name: str, source_data_dir: str | None, data_dir: str
) -> tfds.core.DatasetBuilder:
  """Returns the builder of a source, in a folder where it is prepared.

  The arguments and errors are those of `locate_source`.
  """
  builder, _ = locate_source(name, source_data_dir, data_dir)
  return builder


def locate_source(
  name: str, source_data_dir: str | None, data_dir: str
) -> tuple[tfds.core.DatasetBuilder, str]:
  """Finds a source in the folders in which TFDS looks for datasets.

  Args:
    name: The TFDS name of the source, `DATASET` or `DATASET/CONFIG`, which can
      be followed by `:VERSION`.
    source_data_dir: The folder in which the source must be prepared. If it is
      None, `data_dir`, TFDS's default folder and those of
      `tfds.core.add_data_dir` are searched.
    data_dir: The folder in which the source will be prepared if it is not found
      prepared in any folder.

  Returns:
    The builder of the source, and the data folder in which it is prepared or
    will be.

  Raises:
    ValueError: if there is no dataset of this name, or if it is not prepared in
      `source_data_dir`.
  """
  if re.split('[/:]', name)[0] == 'cifar10_linac':
    raise ValueError(
      f'source={name!r} holds representations, not images; choose a dataset of '
      'images.'
    )
  # Workers and later runs may have another current folder.
  folders = [paths.absolute(source_data_dir or data_dir)]
  if not source_data_dir:
    with contextlib.suppress(ValueError):  # There may be no home folder.
      folders.append(paths.absolute(tfds.core.constants.DATA_DIR))
    with contextlib.suppress(ValueError, RuntimeError):
      folders += map(paths.absolute, file_utils.list_data_dirs())
  folders = list(dict.fromkeys(folders))
  builders, reason = [], None
  for folder in folders:
    try:
      builders.append((tfds.builder(name, data_dir=folder), folder))
    except Exception as error:  # Damaged files can raise any exception.
      reason = error
  if not builders:
    if not is_about_contents(reason):
      raise reason
    raise ValueError(
      f'source={name!r} is no dataset that TFDS knows or finds in '
      f'{" or ".join(folders)}: ' + str(reason).partition('\n')[0]
    )
  prepared = (found for found in builders if is_prepared(found[0]))
  found, folder = next(prepared, builders[0])
  if source_data_dir and not is_prepared(found):
    raise ValueError(
      f'source_data_dir={source_data_dir} does not hold {name} prepared; '
      f'expected {found.data_path}.'
    )
  return found, folder


def is_prepared(builder: tfds.core.DatasetBuilder) -> bool:
  """Whether a builder's dataset is complete on disk."""
  return (builder.data_path / 'dataset_info.json').exists()
