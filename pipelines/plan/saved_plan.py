"""Plans in their staging folders, from where workers load them."""

from __future__ import annotations

import dataclasses
import json

from pipelines.errors import BuildError
from pipelines.files import storage, strict_json
from pipelines.plan import fingerprint, version_1_0
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.plan.settings import Settings

PLAN_FILE = 'plan.json'
MANIFESTS = 'manifests'
# The reasons why a dataset could not be published, a line each.
FAILURE_FILE = 'failure.txt'


def save_plan(plan: DatasetPlan) -> None:
  """Writes a plan into its staging folder."""
  (plan.staging / MANIFESTS).mkdir(parents=True, exist_ok=True)
  value = {'schema': fingerprint.SCHEMA, **dataclasses.asdict(plan)}
  storage.write_text(plan.staging / PLAN_FILE, json.dumps(value, indent=2))


def load_plan(staging: str) -> DatasetPlan:
  """The plan saved in a staging folder.

  Raises:
    BuildError: if there is none that belongs there.
  """
  try:
    value = strict_json.read(storage.path(staging) / PLAN_FILE, dict)
    plan = strict_json.convert(_upgraded(value), DatasetPlan)
    # The name holds the fingerprint: no other dataset's files are touched.
    if str(plan.staging) != staging:
      raise ValueError(f'its plan is for {plan.staging}.')
  except (OSError, ValueError) as error:
    raise BuildError(
      f'{staging} has no valid plan: {error}\nRun the same command again: it '
      'writes the plan anew.'
    ) from error
  return plan


def _upgraded(value: dict) -> dict:
  """The contents of a plan, with the meaning of what it does not mention."""
  settings = dataclasses.asdict(Settings())
  value = strict_json.upgraded(
    value,
    fingerprint.SCHEMA,
    lambda old: version_1_0.upgraded_plan(old, settings),
  )
  for name, defaults in (
    ('config', fingerprint.MEANT_BY_DEFAULT),
    ('settings', settings),
  ):
    if isinstance(value.get(name), dict):
      value[name] = strict_json.plain(defaults) | value[name]
  return value
