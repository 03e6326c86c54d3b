"""Finds the TFDS image dataset whose images are fitted."""

from __future__ import annotations

import os

import tensorflow_datasets as tfds


def find_source(
  name: str, source_data_dir: str | None, data_dir: str
) -> tfds.core.DatasetBuilder:
  """The builder of a source, where it is prepared if it is.

  Args:
    name: `DATASET` or `DATASET/CONFIG`, with `:VERSION` for just that one.
    source_data_dir: the folder that holds it prepared, or None.
    data_dir: else looked in first, then TFDS's default folder.

  Returns:
    A builder: prepared in the first folder that has it, or about to be prepared
    in `data_dir`.

  Raises:
    ValueError: if there is no such dataset, or not in `source_data_dir`.
  """
  if name.partition('/')[0] == 'cifar10_linac':
    raise ValueError(f'source={name!r} holds representations, not images.')
  default = tfds.core.constants.DATA_DIR
  folders = [source_data_dir] if source_data_dir else [data_dir, default]
  folders = list(dict.fromkeys(_absolute(os.fspath(f)) for f in folders))
  builders, reason = [], ''
  for folder in folders:
    try:
      builders.append(tfds.builder(name, data_dir=folder))
    except Exception as error:  # Anything, where a folder's files are damaged.
      reason = str(error).partition('\n')[0]
  if not builders:
    raise ValueError(
      f'source={name!r} is no dataset that TFDS knows or finds in '
      f'{" or ".join(folders)}: {reason}'
    )
  found = next(filter(is_prepared, builders), builders[0])
  if source_data_dir and not is_prepared(found):
    raise ValueError(
      f'source_data_dir={source_data_dir} does not hold {name} prepared; '
      f'expected {found.data_path}.'
    )
  return found


def _absolute(folder: str) -> str:
  # Workers and later runs may start in another folder.
  if '://' in folder:
    return folder
  return os.path.abspath(os.path.expanduser(folder))


def is_prepared(builder: tfds.core.DatasetBuilder) -> bool:
  """Whether the builder's data is on disk."""
  return (builder.data_path / 'dataset_info.json').exists()
