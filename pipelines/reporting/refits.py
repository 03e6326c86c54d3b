"""Fits a few images again, for what a dataset does not keep of its fits."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable

import numpy as np
from tqdm import tqdm

from pipelines.dataset.stored_examples import distance
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.worker.device import images_per_batch
from transforms import LinacConfig, start_fit


@dataclasses.dataclass(frozen=True)
class Refit:
  """One image, fitted again.

  Attributes:
    reconstruction: `[height, width, channels]`, scaled as images in [0, 1], and
      not clipped to that.
    representation: `[height, width, units]`, as it would be stored.
    losses: of each step.
    psnr: in dB.
    distance: L2, from the stored representation, relative.
    identical: whether it is the stored representation to the bit.
  """

  reconstruction: np.ndarray
  representation: np.ndarray
  losses: np.ndarray
  psnr: float
  distance: float
  identical: bool


@dataclasses.dataclass(frozen=True)
class Refits:
  """Fits of the dataset's images, and of the first of them under another seed.

  Attributes:
    fits: by the `place` of the example.
    others: fits under the other seed, likewise.
    other_seed: the other seed; a public one.
    images_per_second: of all fits but the first, which compiles.
  """

  fits: dict[tuple, Refit]
  others: dict[tuple, Refit]
  other_seed: int
  images_per_second: float


def refit(
  plan: DatasetPlan, examples: Iterable[dict], num_others: int
) -> Refits:
  """Fits examples again, one after the other.

  Args:
    plan: of the dataset; a private key can be read.
    examples: as stored, with their `place`; each is fitted once.
    num_others: of the first ones are fitted under another seed, too.

  Raises:
    ValueError: if the private key cannot be read.
  """
  unique = {example['place']: example for example in examples}
  other_seed = _other_seed(plan)
  other, config = plan.config.with_seed(other_seed), plan.reveal()
  jobs = [(config, example) for example in unique.values()]
  jobs += [(other, example) for example in list(unique.values())[:num_others]]
  results, times = [], []
  for job in tqdm(jobs, desc='Fitting', unit=' images', disable=None):
    results.append(_refit(plan, *job))
    times.append(time.monotonic())
  rate = (len(times) - 1) / (times[-1] - times[0])
  places = list(unique)
  return Refits(
    fits=dict(zip(places, results, strict=False)),
    others=dict(zip(places, results[len(places) :], strict=False)),
    other_seed=other_seed,
    images_per_second=rate,
  )


def _other_seed(plan: DatasetPlan) -> int:
  """The next seed; for a private key, one that has nothing to do with it."""
  if plan.private_key:
    return int(plan.private_key.id, 16) % 2**32
  return plan.seed + 1 if plan.seed < 2**63 - 1 else 0


def _refit(plan: DatasetPlan, config: LinacConfig, example: dict) -> Refit:
  # One at a time: float32 bits depend on the batch's size on some devices.
  fit = start_fit(
    example['image'][None],
    config,
    images_per_batch(plan),
    plan.settings.storage_dtype,
  ).result()
  stored, fitted = example['representation'], fit.representation[0]
  mean, std = config.pixel_constants(example['image'].shape[-1])
  return Refit(
    reconstruction=fit.reconstruction[0] * np.array(std) + np.array(mean),
    representation=fitted,
    losses=fit.losses[0],
    psnr=float(fit.psnr[0]),
    distance=distance(stored, fitted),
    identical=np.array_equal(stored, fitted),
  )
