"""Checks whether this worker may continue a build that others began."""

from __future__ import annotations

import functools

import numpy as np

from pipelines.dataset.manifest import Manifest, made_by, read_manifests
from pipelines.dataset.state import sound_manifest
from pipelines.dataset.stored_examples import (
  MAX_DISTANCE,
  distance,
  read_examples,
)
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.worker.device import images_per_batch
from pipelines.worker.write_shard import device_kind, library_versions
from transforms import LinacConfig, start_fit


def why_not_resume(plan: DatasetPlan) -> str:
  """The reason why this worker must not resume the build, or `''`.

  Args:
    plan: The plan of the dataset.
  """
  if plan.strict_devices and (reason := _other_device(plan)):
    return reason
  if plan.private_key:
    return _wrong_key(plan, plan.reveal())
  return ''


@functools.lru_cache(maxsize=1)
def _other_device(plan: DatasetPlan) -> str:
  """The reason, if finished shards come from other devices, or `''`."""
  here = made_by(device_kind(), library_versions())
  manifests = read_manifests(plan).values()
  others = {m.made_by for m in manifests if m} - {here}
  if not others:
    return ''
  return (
    f'{plan.staging} has shards of {", ".join(sorted(others))}; here is '
    f'{here}, and strict_devices is set. Continue on such a device, or delete '
    'the folder to start again.'
  )


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
  found = ((s, m) for s, m in manifests if m and m.num_examples)
  shard, manifest = next(found, (None, None))
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
  if _is_same(plan, manifest, stored['representation'], fit.representation[0]):
    return ''
  return (
    f'The private key is not the one that {plan.staging} was begun with: the '
    f'fit of {stored["id"]!r} is different. Pass the first key, or another '
    '--config_name.'
  )


def _is_same(plan: DatasetPlan, manifest: Manifest, stored, fitted) -> bool:
  """Whether a fit equals the stored one, up to the rounding of another machine.

  Args:
    plan: The plan of the dataset.
    manifest: The manifest of the stored example's shard.
    stored: The stored representation `[height, width, channels]`.
    fitted: The representation that was fitted here, of the same shape.
  """
  if np.array_equal(stored, fitted):
    return True
  if plan.config.precision == 'float64':
    # About one number in 10^13 may be rounded in the other direction.
    return distance(stored, fitted) < 1e-4
  if plan.config.representation_layer == plan.config.num_layers:
    # The last layer is the reconstruction, which is similar for all keys.
    return False
  return (
    manifest.made_by != made_by(device_kind(), library_versions())
    and distance(stored, fitted) <= MAX_DISTANCE
  )
