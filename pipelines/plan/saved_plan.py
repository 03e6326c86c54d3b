"""Saves a plan in its staging folder, and loads it from there in workers."""

from __future__ import annotations

import dataclasses
import json

from linac_config.errors import is_about_contents
from pipelines.errors import BuildError
from pipelines.files import storage, strict_json
from pipelines.plan import fingerprint, version_1_0
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.plan.settings import Settings
from pipelines.plan.shards import MAX_SHARDS, num_shards

# The names of the plan's file and of the manifests' folder, in a staging
# folder.
PLAN_FILE = 'plan.json'
MANIFESTS = 'manifests'
# The file with the reasons why a dataset could not be published, one per line.
FAILURE_FILE = 'failure.txt'
# A setting of plans of versions 1.x, which is dropped. It changed no example.
_FORMER_SETTING = 'strict_devices'


def save_plan(plan: DatasetPlan) -> None:
  """Writes a plan into its staging folder."""
  (plan.staging / MANIFESTS).mkdir(parents=True, exist_ok=True)
  value = {'schema': fingerprint.SCHEMA, **dataclasses.asdict(plan)}
  storage.write_text(
    plan.staging / PLAN_FILE, json.dumps(value, indent=2, allow_nan=False)
  )


def load_plan(staging: str) -> DatasetPlan:
  """The plan that is saved in a staging folder, wherever that is now.

  Args:
    staging: The path of the staging folder.

  Raises:
    BuildError: if there is no valid plan, or it is that of another folder.
  """
  try:
    folder = storage.path(staging)
    value = strict_json.read(folder / PLAN_FILE, dict)
    plan = strict_json.convert(_upgraded(value), DatasetPlan)
    _check_number_of_shards(plan)
    # The data folder may have been moved, or may be known by another path.
    plan = dataclasses.replace(plan, data_dir=str(folder.parents[2]))
    # The folder's name holds the fingerprint. So a plan that was altered cannot
    # lead to the files of another dataset.
    if str(plan.staging) != staging:
      raise ValueError(f'its plan is for {plan.staging}.')
  except (OSError, ValueError) as error:
    if not is_about_contents(error):
      raise
    raise BuildError(
      f'{staging} has no valid plan: {error}\nRun the same command again: it '
      'writes the plan anew.'
    ) from error
  return plan


def _check_number_of_shards(plan: DatasetPlan) -> None:
  """Checks that a plan's file is large enough for the shards that it names.

  The file holds a digest for each shard, except in plans of version 1.0. Those
  may have as many shards as one split can have.

  Raises:
    ValueError: if there are more shards, all of which would be listed.
  """
  limit = plan.settings.examples_per_shard
  count = sum(num_shards(size, limit) for _, size in plan.splits)
  most = max(MAX_SHARDS, sum(map(len, plan.source.digests.values())))
  if count > most:
    raise ValueError(f'its splits make {count:,} shards, more than {most:,}.')


def _upgraded(value: dict) -> dict:
  """The contents of a plan in the present schema, with all its fields.

  A field that the file does not mention was added later. It gets the value that
  all datasets had before.
  """
  settings = (
    dataclasses.asdict(Settings()) | fingerprint.SETTINGS_MEANT_BY_DEFAULT
  )
  value = strict_json.upgraded(
    value,
    fingerprint.SCHEMA,
    lambda old: version_1_0.upgraded_plan(old, settings),
  )
  for name, defaults in (
    ('config', fingerprint.MEANT_BY_DEFAULT),
    ('settings', settings),
    ('source', {'image_feature': 'image', 'label_feature': 'label'}),
  ):
    if isinstance(value.get(name), dict):
      value[name] = strict_json.plain(defaults) | value[name]
  if isinstance(value.get('settings'), dict):
    value['settings'].pop(_FORMER_SETTING, None)
  return value
