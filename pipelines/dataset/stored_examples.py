"""Reads examples back from shards, and measures how far new fits differ."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import numpy as np

from linac_config.errors import is_about_contents
from linac_tfds.schema import example_features
from pipelines.files import storage
from pipelines.files.formats import FILE_FORMATS
from pipelines.files.source_records import check_image_size
from pipelines.plan.dataset_plan import DatasetPlan

# The largest `distance` between the fits of two correct float32 programs. Up to
# 0.24 was measured.
MAX_DISTANCE = 0.35


def read_examples(plan: DatasetPlan, path: pathlib.Path) -> Iterator[dict]:
  """Reads the examples of a shard one by one, without TensorFlow.

  Args:
    plan: The plan of the dataset.
    path: The path of the shard's file, on disk or in a bucket.

  Yields:
    A dict of the example's features: `id` (str), `image` (uint8 array `[height,
    width, channels]`), `label` (int), `representation` (array `[height, width,
    units]`), `psnr` (float32, dB) and `final_loss` (float32).

  Raises:
    OSError: if the file cannot be read.
    ValueError: if the file is damaged.
  """
  features = example_features(
    plan.source.schema, plan.config, plan.settings.storage_dtype
  )
  with storage.local_copy(path) as local:
    for record in FILE_FORMATS[plan.settings.file_format].read(local):
      try:
        check_image_size(record, plan.source.schema.shape)
        example = features.deserialize_example_np(record)
        example['id'] = example['id'].decode()
        example['label'] = int(example['label'])
      # Protocol buffers and Pillow raise errors of their own classes.
      except Exception as error:
        if not is_about_contents(error):
          raise
        raise ValueError(f'a record cannot be parsed: {error}') from error
      yield example


def distance(stored: np.ndarray, fitted: np.ndarray) -> float:
  """The L2 distance of two representations, divided by the norm of `fitted`."""
  stored, fitted = stored.astype(np.float64), fitted.astype(np.float64)
  # Stored infinities are no reason for a warning.
  with np.errstate(invalid='ignore'):
    difference = np.linalg.norm(stored - fitted)
  return difference / max(np.linalg.norm(fitted), np.finfo(np.float64).tiny)
