"""Reads the contents of files that version 1.0 of this project wrote.

The plans, manifests and metadata of version 1.0 carry no schema number. The
functions here turn their contents into those of the present schema. Nothing
writes such files any more.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from pipelines.plan.dataset_plan import DatasetPlan

# The fields of the transform in version 1.0, and their defaults then.
CONFIG = {
  'key_derivation': 'published',
  'num_layers': 5,
  'width': 256,
  'num_features': 5,
  'use_bias': True,
  'activation': 'relu',
  'representation_layer': 2,
  'num_epochs': 10,
  'batch_size': 32,
  'learning_rate': 1e-3,
  'b1': 0.9,
  'b2': 0.99,
  'eps': 1e-8,
  'decay_alpha': 1e-4,
  'precision': 'float32',
  'mean': (0.4914, 0.4822, 0.4465),
  'std': (0.2471, 0.2435, 0.2616),
}
# The settings that plans of version 1.0 held one by one and that still exist.
_SETTINGS = (
  'storage_dtype',
  'file_format',
  'examples_per_shard',
  'min_psnr',
  'on_bad_example',
  'images_per_batch',
  'overwrite',
)


def is_version_1_0(version: str) -> bool:
  """Whether a dataset of this version has the files described here."""
  return version.startswith('1.0.')


def identity(plan: DatasetPlan) -> dict:
  """The values that a fingerprint of version 1.0 is the hash of."""
  config = dataclasses.asdict(plan.config)
  key = plan.private_key
  return {
    'config': {name: config[name] for name in CONFIG} | {'seed': plan.seed},
    'private_key': key.public_part() if key else None,
    'source': {'name': plan.source.name, 'version': plan.source.version},
    'shard_stops': [[s, stops] for s, stops in plan.shard_stops.items()],
    'storage_dtype': plan.settings.storage_dtype,
    'file_format': plan.settings.file_format,
    'min_psnr': plan.settings.min_psnr,
    'version': plan.version,
  }


def upgraded_plan(value: dict, settings: dict) -> dict:
  """The contents of a plan in the present schema.

  Args:
    value: The contents of the file.
    settings: The present settings with their defaults, by name.

  Raises:
    KeyError: if a field is missing; the message names it.
  """
  config = dict(value['config'])
  seed, key = config.pop('seed'), value['private_key']
  return {
    'config': config,
    'seed': None if key else seed,
    'private_key': key,
    'source': value['source'] | {'contents': '', 'digests': {}},
    'splits': value['splits'],
    'data_dir': value['data_dir'],
    'version': value['version'],
    'settings': settings | {name: value[name] for name in _SETTINGS},
  }


def upgraded_manifest(value: dict) -> dict:
  """The contents of a manifest in the present schema, with an empty checksum.

  Args:
    value: The contents of the file.

  Raises:
    KeyError: if a field is missing; the message names it.
    ValueError: if the file's checksum is not that of its contents.
  """
  fields = value | {'checksum': ''}
  digest = hashlib.sha256(
    json.dumps(fields, allow_nan=False).encode()
  ).hexdigest()
  if value['checksum'] != digest:
    raise ValueError('its checksum is not that of its contents.')
  new = {k: v for k, v in value.items() if k not in ('psnr', 'final_loss')}
  return new | {
    'measures': {name: value[name] for name in ('psnr', 'final_loss')},
    'checksum': '',
  }


def upgraded_metadata(value: dict) -> dict:
  """The contents of `metadata.json` in the present schema.

  Args:
    value: The contents of the file.

  Raises:
    KeyError: if a field is missing; the message names it.
  """
  names = ('storage_dtype', 'file_format', 'min_psnr')
  new = {k: v for k, v in value.items() if k not in names}
  return new | {'settings': {name: value[name] for name in names}}
