"""Reads prepared datasets: images, representations and labels."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds

from linac_tfds import sources

# Examples that are shuffled together: 1 GB of float16 representations.
_SHUFFLED = 2048


@dataclasses.dataclass(frozen=True)
class Split:
  """A split of a prepared dataset.

  Attributes:
    builder: of the dataset.
    name: as in `test`, or `test[:500]`.
  """

  builder: tfds.core.DatasetBuilder
  name: str

  @property
  def count(self) -> int:
    """Number of examples."""
    return self.builder.info.splits[self.name].num_examples

  @property
  def num_classes(self) -> int:
    """Number of labels."""
    return self.builder.info.features['label'].num_classes

  def examples(self, feature: str) -> Iterator[tuple[np.ndarray, int]]:
    """Yields (feature, label) in the dataset's order."""
    if self._is_array_record:
      examples = self.builder.as_data_source(self.name)
    else:
      read_config = tfds.ReadConfig(interleave_cycle_length=1)
      examples = tfds.as_numpy(
        self._dataset((feature, 'label'), read_config=read_config)
      )
    for example in examples:
      yield example[feature], int(example['label'])

  def shuffled_batches(
    self, features: tuple[str, ...], size: int, seed: int, epoch: int
  ) -> Iterator[dict[str, np.ndarray]]:
    """Yields the batches of an epoch, the same ones for the same numbers.

    Files are read in a random order, and examples shuffled among 2,048. A last,
    smaller batch is left out.

    Raises:
      ValueError: if the dataset is stored as ArrayRecord.
    """
    if self._is_array_record:
      raise ValueError(
        f'{self.builder.info.full_name} is stored as array_record; build it '
        'with --file_format=tfrecord to train on it.'
      )
    state = np.random.SeedSequence([seed, epoch]).generate_state(1)
    order = int(state[0])
    # TFDS has one order for this dataset, unless told.
    read_config = tfds.ReadConfig(
      interleave_cycle_length=4, shuffle_seed=order, enable_ordering_guard=False
    )
    dataset = self._dataset(
      features, read_config=read_config, shuffle_files=True
    )
    dataset = dataset.shuffle(_SHUFFLED, seed=order)
    dataset = dataset.batch(size, drop_remainder=True).prefetch(2)
    return dataset.as_numpy_iterator()

  def _dataset(self, features: tuple[str, ...], **options):
    """A `tf.data.Dataset` of some features."""
    return self.builder.as_dataset(
      split=self.name,
      decoders=tfds.decode.PartialDecoding(dict.fromkeys(features, True)),
      **options,
    )

  @property
  def _is_array_record(self) -> bool:
    file_format = self.builder.info.file_format
    return file_format is tfds.core.FileFormat.ARRAY_RECORD

  def batches(
    self, feature: str, size: int
  ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields stacked features and labels, the last ones fewer."""
    features, labels = [], []
    for value, label in self.examples(feature):
      features.append(value)
      labels.append(label)
      if len(labels) == size:
        yield np.stack(features), np.array(labels, np.int32)
        features, labels = [], []
    if labels:
      yield np.stack(features), np.array(labels, np.int32)


def find_split(dataset: str, split: str, data_dir: str | None) -> Split:
  """A split of `cifar10_linac/CONFIG`, or of any TFDS dataset of images.

  Nothing is downloaded or built.

  Raises:
    ValueError: if the dataset is not prepared, with the command that does it,
      or has no such split.
  """
  folder = os.path.expanduser(data_dir or tfds.core.constants.DATA_DIR)
  try:
    builder = tfds.builder(dataset, data_dir=folder)
    prepared, reason = sources.is_prepared(builder), ''
  except Exception as error:  # Anything, where a folder's files are damaged.
    prepared, reason = False, f': {str(error).partition(chr(10))[0]}'
  if not prepared:
    command = 'pipelines.build' if is_linac(dataset) else 'tfds build'
    raise ValueError(
      f'{dataset} is not prepared in {folder}{reason}. Prepare it with '
      f'`{command}`, see README.md, or pass --data_dir; nothing is built here.'
    )
  try:
    count = builder.info.splits[split].num_examples
  except (KeyError, ValueError) as error:
    raise ValueError(
      f'split={split!r} is none of {builder.info.full_name}, which has '
      f'{", ".join(builder.info.splits)}.'
    ) from error
  if not count:
    raise ValueError(f'split={split!r} of {builder.info.full_name} is empty.')
  return Split(builder, split)


def is_linac(dataset: str) -> bool:
  """Whether a dataset's name is of representations."""
  return dataset.partition('/')[0] == 'cifar10_linac'
