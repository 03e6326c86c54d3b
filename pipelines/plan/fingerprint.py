"""The fingerprint: a hash of everything that a dataset's bits depend on.

Two builds with equal fingerprints make the same files, so that one can go on
where the other stopped. What changes the speed alone, and the devices and
library versions, which stand in the manifests, are not part of it.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING

from pipelines.plan import version_1_0

if TYPE_CHECKING:
  from pipelines.plan.dataset_plan import DatasetPlan

# The schema of plans, manifests and metadata; files of version 1.0 have none.
SCHEMA = 2
# What each field of the transform means in a file that does not mention it. A
# fingerprint holds only the values that differ, so that a field added later
# changes no old fingerprint: its entry says what all datasets before it had.
MEANT_BY_DEFAULT = version_1_0.CONFIG | {}


def identity(plan: DatasetPlan) -> dict:
  """The contents of the fingerprint."""
  if version_1_0.is_version_1_0(plan.version):
    return version_1_0.identity(plan)
  transform = {
    name: value
    for name, value in dataclasses.asdict(plan.config).items()
    if value != MEANT_BY_DEFAULT[name]
  }
  settings = {
    field.name: value
    for field in dataclasses.fields(plan.settings)
    if field.metadata['in_fingerprint']
    and (value := getattr(plan.settings, field.name)) != field.default
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
    'shard_stops': plan.shard_stops,
    'settings': settings,
    'version': plan.version,
  }


def _key(plan: DatasetPlan) -> dict:
  """The seed, or what may be known of a private key."""
  if plan.private_key is None:
    return {'seed': plan.seed}
  return {'private_key': plan.private_key.public_part()}


def fingerprint(plan: DatasetPlan) -> str:
  """The SHA-256 of the identity, in hexadecimal."""
  text = json.dumps(identity(plan), sort_keys=True, separators=(',', ':'))
  return hashlib.sha256(text.encode()).hexdigest()


def provenance(plan: DatasetPlan) -> dict:
  """What the metadata of a dataset tell of its plan, all values written out."""
  source = {'name': plan.source.name, 'version': plan.source.version}
  if plan.source.contents:
    source['contents'] = plan.source.contents
  private = plan.private_key
  return {
    'config': dataclasses.asdict(plan.config) | {'seed': plan.seed},
    'private_key': private.public_part() if private else None,
    'source': source,
    'shard_stops': [[s, stops] for s, stops in plan.shard_stops.items()],
    'settings': {
      field.name: getattr(plan.settings, field.name)
      for field in dataclasses.fields(plan.settings)
      if field.metadata['in_fingerprint']
    },
    'version': plan.version,
  }
