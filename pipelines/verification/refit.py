"""Fits an example again, and compares the fit with the stored example."""

from __future__ import annotations

import dataclasses

import numpy as np

from linac_config import KeylessConfig
from linac_tfds.schema import MEASURES
from pipelines.dataset.manifest import BadExample, recorded_facts
from pipelines.dataset.stored_examples import MAX_DISTANCE, distance
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.verification.checks import differences

# The largest relative difference of neighbouring float32 numbers.
_ONE_BIT = 2**-23


def is_exact(config: KeylessConfig) -> bool:
  """Whether a new fit must have the bits of the stored representation."""
  return config.arithmetic == 'canonical' or config.precision == 'float64'


def refit_problems(plan: DatasetPlan, example: dict) -> list[str]:
  """The differences between a stored example and a new fit of its image.

  In canonical arithmetic, both must be equal. In XLA's arithmetic, float32 fits
  may have a distance up to `MAX_DISTANCE`. Float64 fits must have the same
  representation, and measures that differ in the last bit at most.

  Args:
    plan: The plan of the dataset.
    example: The stored example, with its `index`.
  """
  # Only a check with fits needs JAX, which takes seconds to import.
  from pipelines.worker.fit_examples import fit_examples

  by_xla = plan.config.arithmetic == 'xla'
  if by_xla:
    plan = _without_min_psnr(plan)
  (fitted,) = fit_examples(plan, iter([example]))
  if isinstance(fitted, BadExample):
    return [fitted.reason]
  if not is_exact(plan.config):
    found = distance(example['representation'], fitted['representation'])
    if found <= MAX_DISTANCE:
      return []
    return [f'its distance is {found:.3g}, expected at most {MAX_DISTANCE}']
  if by_xla:
    fitted |= {
      name: example[name]
      for name in MEASURES
      if np.isclose(example[name], fitted[name], rtol=_ONE_BIT, atol=0)
    }
  return differences(recorded_facts(example), recorded_facts(fitted))


def _without_min_psnr(plan: DatasetPlan) -> DatasetPlan:
  """A copy of a plan in which a fit may miss the smallest PSNR.

  The PSNR of a fit by XLA can be lower here than where it was stored.
  """
  settings = dataclasses.replace(plan.settings, min_psnr=None)
  return dataclasses.replace(plan, settings=settings)
