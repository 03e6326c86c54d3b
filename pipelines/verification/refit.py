"""Fits an example again, and compares the fit with the stored example."""

from __future__ import annotations

from pipelines.dataset.manifest import BadExample, Manifest, recorded_facts
from pipelines.dataset.stored_examples import MAX_DISTANCE, distance
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.verification.checks import differences
from pipelines.worker.fit_examples import fit_examples
from pipelines.worker.write_shard import device_kind, library_versions


def is_exact(plan: DatasetPlan, manifest: Manifest) -> bool:
  """Whether a new fit on this machine must have the same bits as a shard.

  Args:
    plan: The plan of the dataset.
    manifest: The manifest of the shard, which names the device that fitted it.
  """
  if plan.config.precision == 'float64':
    return True
  # On a GPU, float32 bits may also depend on the number of images per batch.
  here = (device_kind(), library_versions())
  return here[0].startswith('cpu') and (
    (manifest.device, manifest.versions) == here
  )


def refit_problems(plan: DatasetPlan, example: dict, exact: bool) -> list[str]:
  """The differences between a stored example and a new fit of its image.

  Args:
    plan: The plan of the dataset.
    example: The stored example, with its `index`.
    exact: Whether both must have the same bits. If not, their distance may be
      up to `MAX_DISTANCE`.
  """
  (fitted,) = fit_examples(plan, iter([example]))
  if isinstance(fitted, BadExample):
    return [fitted.reason]
  if exact:
    problems = differences(recorded_facts(example), recorded_facts(fitted))
    if problems and plan.config.precision == 'float32':
      problems.append(
        'yet the device and the libraries here are those recorded'
      )
    return problems
  found = distance(example['representation'], fitted['representation'])
  if found <= MAX_DISTANCE:
    return []
  return [f'its distance is {found:.3g}, expected at most {MAX_DISTANCE}']
