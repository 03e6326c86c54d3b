"""Fits an example again and compares it with the one that is stored."""

from __future__ import annotations

from pipelines.dataset.manifest import BadExample, Manifest, recorded_facts
from pipelines.dataset.stored_examples import MAX_DISTANCE, distance
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.verification.checks import differences
from pipelines.worker.fit_examples import fit_examples
from pipelines.worker.write_shard import device_kind, library_versions


def is_exact(plan: DatasetPlan, manifest: Manifest) -> bool:
  """Whether a fit here must give the bits of the shard of a manifest."""
  if plan.config.precision == 'float64':
    return True
  # On a GPU, float32 bits depend on the images per batch, too.
  here = (device_kind(), library_versions())
  return here[0].startswith('cpu') and (
    (manifest.device, manifest.versions) == here
  )


def refit_problems(plan: DatasetPlan, example: dict, exact: bool) -> list[str]:
  """What differs between a stored example and a new fit of its image.

  Args:
    plan: of the dataset.
    example: as stored.
    exact: whether they must agree to the bit; else within `MAX_DISTANCE`.
  """
  (fitted,) = fit_examples(plan, iter([example]))
  if isinstance(fitted, BadExample):
    return [fitted.reason]
  if exact:
    problems = differences(recorded_facts(example), recorded_facts(fitted))
    if problems and plan.config.precision == 'float32':
      problems.append('device and libraries are those recorded')
    return problems
  found = distance(example['representation'], fitted['representation'])
  if found <= MAX_DISTANCE:
    return []
  return [f'its distance is {found:.3g}, expected at most {MAX_DISTANCE}']
