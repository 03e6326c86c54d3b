"""The fingerprint: a hash of everything that a dataset's bits depend on.

Two builds with equal fingerprints make the same files, so that one can continue
the work of the other. Settings that only change the speed are not part of it.
Nor are devices and versions of libraries, which the manifests record.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING

from pipelines.plan import version_1_0

if TYPE_CHECKING:
  from pipelines.plan.dataset_plan import DatasetPlan

# The number of the present schema of plans, manifests and metadata. Files of
# version 1.0 have no number.
SCHEMA = 2
# The value that each field of the transform has in a file that does not mention
# it. A fingerprint holds only the fields with other values. So a field that is
# added later changes no old fingerprint: its entry here is the value that all
# datasets had before.
MEANT_BY_DEFAULT = version_1_0.CONFIG | {'arithmetic': 'xla'}
# The same for the settings that belong to the fingerprint.
SETTINGS_MEANT_BY_DEFAULT = {
  'storage_dtype': 'float16',
  'file_format': 'tfrecord',
  'min_psnr': None,
}


def identity(plan: DatasetPlan) -> dict:
  """The values that a fingerprint is the hash of, as a JSON object."""
  if version_1_0.is_version_1_0(plan.version):
    return version_1_0.identity(plan)
  transform = {
    name: value
    for name, value in dataclasses.asdict(plan.config).items()
    if value != MEANT_BY_DEFAULT[name]
  }
  settings = {
    name: value
    for name, value in _settings(plan).items()
    if value != SETTINGS_MEANT_BY_DEFAULT[name]
  }
  source = plan.source
  return {
    'transform': transform,
    **_key(plan),
    'source': {
      'name': source.name,
      'version': source.version,
      'contents': source.contents,
    },
    # A list, because the order of the splits matters.
    'shard_stops': [[s, stops] for s, stops in plan.shard_stops.items()],
    'settings': settings,
    'version': plan.version,
  }


def _settings(plan: DatasetPlan) -> dict:
  """The settings that belong to the fingerprint, with their values."""
  return {
    field.name: getattr(plan.settings, field.name)
    for field in dataclasses.fields(plan.settings)
    if field.metadata['in_fingerprint']
  }


def _key(plan: DatasetPlan) -> dict:
  """The seed, or the public part of a private key."""
  if plan.private_key is None:
    return {'seed': plan.seed}
  return {'private_key': plan.private_key.public_part()}


def fingerprint(plan: DatasetPlan) -> str:
  """The SHA-256 of a plan's `identity`, in hexadecimal."""
  text = json.dumps(
    identity(plan), sort_keys=True, separators=(',', ':'), allow_nan=False
  )
  return hashlib.sha256(text.encode()).hexdigest()


def provenance(plan: DatasetPlan) -> dict:
  """The facts of a plan that the dataset's metadata record.

  Here also fields with default values are written out.
  """
  source = {'name': plan.source.name, 'version': plan.source.version}
  if plan.source.contents:
    source['contents'] = plan.source.contents
  for name in ('image', 'label'):
    if (feature := getattr(plan.source, f'{name}_feature')) != name:
      source[f'{name}_feature'] = feature
  private = plan.private_key
  return {
    'config': dataclasses.asdict(plan.config) | {'seed': plan.seed},
    'private_key': private.public_part() if private else None,
    'source': source,
    'shard_stops': [[s, stops] for s, stops in plan.shard_stops.items()],
    'settings': _settings(plan),
    'version': plan.version,
  }
