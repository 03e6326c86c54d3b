"""A reader of prepared datasets: their images, representations and labels."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import tensorflow_datasets as tfds

from linac_config import invocation, paths
from linac_config.errors import is_about_contents
from linac_tfds import sources

# The number of examples that are shuffled together. As many float16
# representations take 1 GB of memory.
_SHUFFLED = 2048


@dataclasses.dataclass(frozen=True)
class Split:
  """A split of a prepared dataset.

  Attributes:
    builder: The TFDS builder of the dataset.
    name: The name of the split, such as `test` or `test[:500]`.
  """

  builder: tfds.core.DatasetBuilder
  name: str

  @property
  def count(self) -> int:
    """The number of examples."""
    return self.builder.info.splits[self.name].num_examples

  @property
  def num_classes(self) -> int:
    """The number of classes."""
    return self.builder.info.features['label'].num_classes

  @property
  def fingerprint(self) -> str:
    """The fingerprint of the dataset, on which all its examples depend.

    Raises:
      ValueError: If the dataset's metadata hold none.
    """
    try:
      return self.builder.info.metadata['fingerprint']
    except (KeyError, TypeError) as error:
      raise ValueError(
        f'{self.builder.data_path / "metadata.json"} is missing or damaged: it '
        f'has no fingerprint. `{invocation.command("verify")}` says how to '
        'repair the dataset.'
      ) from error

  def examples(self, feature: str) -> Iterator[tuple[np.ndarray, int]]:
    """Yields pairs of a feature and a label, in the order of the dataset."""
    if self._is_array_record:
      examples = self.builder.as_data_source(self.name)
    else:
      read_config = tfds.ReadConfig(interleave_cycle_length=1)
      examples = tfds.as_numpy(
        self._dataset((feature, 'label'), read_config=read_config)
      )
    for example in examples:
      yield example[feature], int(example['label'])

  def batches(
    self, feature: str, size: int
  ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields batches of a feature and of labels, in the order of the dataset.

    The last batch is smaller if `size` does not divide the number of examples.

    Raises:
      ValueError: If an example has no label, which TFDS writes as -1.
    """
    features, labels = [], []
    for value, label in self.examples(feature):
      if label < 0:
        raise ValueError(
          f'{self.name} of {self.builder.info.full_name} has an example with '
          f'the label {label}, so it is not labelled. Choose another split.'
        )
      features.append(value)
      labels.append(label)
      if len(labels) == size:
        yield np.stack(features), np.array(labels, np.int32)
        features, labels = [], []
    if labels:
      yield np.stack(features), np.array(labels, np.int32)

  def first_images(self, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the first images and their labels, at most `count` of them."""
    return next(self.batches('image', min(count, self.count)))

  def shuffled_batches(
    self, features: tuple[str, ...], size: int, seed: int, epoch: int
  ) -> Iterator[dict[str, np.ndarray]]:
    """Yields the batches of one epoch of training.

    The files are read in a random order, and the examples are shuffled 2,048 at
    a time. Examples that do not fill a last batch are left out.

    Args:
      features: The features to read.
      size: The number of examples in each batch.
      seed: The seed of the order.
      epoch: The number of the epoch. The order follows from it and the seed.

    Raises:
      ValueError: If the dataset is stored as ArrayRecord.
    """
    if self._is_array_record:
      raise ValueError(
        f'{self.builder.info.full_name} is stored as array_record; build it '
        'with --file_format=tfrecord to train on it.'
      )
    state = np.random.SeedSequence([seed, epoch]).generate_state(1)
    order = int(state[0])
    # `cifar10_linac` asks TFDS to keep its order. Without the guard, TFDS
    # permits any other order.
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
    """Returns a `tf.data.Dataset` that decodes these features only."""
    return self.builder.as_dataset(
      split=self.name,
      decoders=tfds.decode.PartialDecoding(dict.fromkeys(features, True)),
      **options,
    )

  @property
  def _is_array_record(self) -> bool:
    file_format = self.builder.info.file_format
    return file_format is tfds.core.FileFormat.ARRAY_RECORD


def find_split(dataset: str, split: str, data_dir: str | None) -> Split:
  """Finds a split of a dataset that is already prepared.

  It downloads and builds nothing.

  Args:
    dataset: `cifar10_linac/CONFIG`, or the TFDS name of a dataset of images.
    split: The name of the split.
    data_dir: The folder of TFDS's datasets. None stands for TFDS's default.

  Raises:
    ValueError: If the dataset is not prepared, or has no such split. The
    message
      names the command that prepares it.
  """
  builder = _prepared_builder(dataset, data_dir)
  try:
    count = builder.info.splits[split].num_examples
  except (KeyError, ValueError) as error:
    raise ValueError(
      f'split={split!r} is none of {builder.info.full_name}, which has '
      f'{", ".join(builder.info.splits)}.'
    ) from error
  if not count:
    raise ValueError(
      f'split={split!r} of {builder.info.full_name} is empty; choose another.'
    )
  # TensorFlow takes seconds to import, so errors are raised before.
  from linac_tfds import quiet_tensorflow  # noqa: F401

  return Split(builder, split)


def _prepared_builder(
  dataset: str, data_dir: str | None
) -> tfds.core.DatasetBuilder:
  """Returns the builder of a dataset that is prepared, or raises ValueError."""
  folder = paths.absolute(data_dir or tfds.core.constants.DATA_DIR)
  try:
    builder = tfds.builder(dataset, data_dir=folder)
    prepared, reason = sources.is_prepared(builder), ''
  except Exception as error:  # A damaged folder can raise any exception.
    if not is_about_contents(error):
      raise
    prepared, reason = False, f': {str(error).partition(chr(10))[0]}'
  if not prepared:
    build = invocation.command('build') if is_linac(dataset) else 'tfds build'
    raise ValueError(
      f'{dataset} is not prepared in {folder}{reason}. Prepare it with '
      f'`{build}`, see README.md, or pass --data_dir; nothing is built here.'
    )
  for feature in ('image', 'label'):
    if feature not in builder.info.features:
      raise ValueError(
        f'{dataset} has no feature `{feature}`. Choose a dataset that has it, '
        'or one that `linac build --image_feature --label_feature` made of it.'
      )
  # The number of steps follows from the number of examples.
  claimed = sum(split.num_examples for split in builder.info.splits.values())
  num_bytes = sum(path.stat().length for path in builder.data_path.iterdir())
  if claimed > num_bytes:
    raise ValueError(
      f'{dataset} in {folder} claims {claimed:,} examples, but its files have '
      f'{num_bytes:,} bytes. Prepare it again.'
    )
  return builder


def is_linac(dataset: str) -> bool:
  """Returns whether a name is that of a dataset of representations."""
  return dataset.partition('/')[0] == 'cifar10_linac'
