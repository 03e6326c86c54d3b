"""Reads examples back from shards, and compares them with new fits."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import numpy as np

from linac_tfds.schema import example_features
from pipelines.files import storage
from pipelines.files.formats import FILE_FORMATS
from pipelines.plan.dataset_plan import DatasetPlan

# Relative, between two correct float32 programs; up to 0.24 was measured.
MAX_DISTANCE = 0.35


def read_examples(plan: DatasetPlan, path: pathlib.Path) -> Iterator[dict]:
  """Reads a shard of a plan, an example at a time, without TensorFlow.

  Yields:
    All features of the dataset; `id` (str), `image` (uint8 array), `label`
    (int), `representation` (array), `psnr` and `final_loss` (float32).

  Raises:
    OSError: if it cannot be read.
    ValueError: if it is damaged.
  """
  features = example_features(
    plan.source.schema, plan.config, plan.settings.storage_dtype
  )
  with storage.local_copy(path) as local:
    for record in FILE_FORMATS[plan.settings.file_format].read(local):
      try:
        example = features.deserialize_example_np(record)
        example['id'] = example['id'].decode()
        example['label'] = int(example['label'])
      except Exception as error:  # Protocol buffers and Pillow have their own.
        raise ValueError(f'a record cannot be parsed: {error}') from error
      yield example


def distance(stored: np.ndarray, fitted: np.ndarray) -> float:
  """L2 distance of two representations, relative to the norm of `fitted`."""
  stored, fitted = stored.astype(np.float64), fitted.astype(np.float64)
  with np.errstate(invalid='ignore'):  # Infinities that are stored.
    difference = np.linalg.norm(stored - fitted)
  return difference / max(np.linalg.norm(fitted), np.finfo(np.float64).tiny)
