"""Checks whether this worker may continue a build that others began."""

from __future__ import annotations

import functools

import numpy as np

from pipelines.dataset.state import sound_manifest
from pipelines.dataset.stored_examples import (
  MAX_DISTANCE,
  distance,
  read_examples,
)
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.worker.device import images_per_batch
from transforms import LinacConfig, start_fit


def why_not_resume(plan: DatasetPlan) -> str:
  """The reason why this worker must not resume the build, or `''`.

  Args:
    plan: The plan of the dataset.
  """
  if plan.private_key:
    return _wrong_key(plan, plan.reveal())
  return ''


@functools.lru_cache(maxsize=1)
def _wrong_key(plan: DatasetPlan, config: LinacConfig) -> str:
  """The reason, if the private key is not that of finished shards, or `''`.

  No file holds a hash of the key, since one could check guesses with it.
  Therefore an example of a finished shard is fitted again and compared.

  Args:
    plan: The plan of the dataset.
    config: The transform of the dataset, with the key.
  """
  manifests = ((s, sound_manifest(plan, s)) for s in plan.shards())
  found = (s for s, m in manifests if m and m.num_examples)
  shard = next(found, None)
  if shard is None:
    return ''
  path = plan.staging / plan.file_name(shard)
  stored = next(read_examples(plan, path))
  fit = start_fit(
    stored['image'][None],
    config,
    images_per_batch(plan),
    plan.settings.storage_dtype,
  ).result()
  if _is_same(config, stored['representation'], fit.representation[0]):
    return ''
  return (
    f'The private key is not the one that {plan.staging} was begun with: the '
    f'fit of {stored["id"]!r} is different. Pass the first key, or another '
    '--config_name.'
  )


def _is_same(config: LinacConfig, stored, fitted) -> bool:
  """Whether a fit is the stored one, up to what the arithmetic may change.

  Args:
    config: The transform of both.
    stored: The stored representation `[height, width, channels]`.
    fitted: The representation that was fitted here, of the same shape.
  """
  if np.array_equal(stored, fitted):
    return True
  if config.arithmetic == 'canonical':
    return False
  if config.precision == 'float64':
    # About one number in 10^13 may be rounded in the other direction.
    return distance(stored, fitted) < 1e-4
  if config.representation_layer == config.num_layers:
    # The last layer is the reconstruction, which is similar for all keys.
    return False
  return distance(stored, fitted) <= MAX_DISTANCE
