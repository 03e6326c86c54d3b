"""Fits a few images again, for facts that a dataset does not keep.

These are the losses of all steps, the reconstructions, and fits under another
seed.
"""

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
  """The new fit of one image.

  Attributes:
    reconstruction: The reconstruction, `[height, width, channels]`, scaled like
      images in [0, 1] but not clipped.
    representation: The representation as it would be stored, `[height, width,
      units]`.
    losses: The loss of each step, `[steps]`.
    psnr: The PSNR, in dB.
    distance: The L2 distance from the stored representation, divided by the
      norm of this one.
    identical: Whether this is the stored representation, bit for bit.
  """

  reconstruction: np.ndarray
  representation: np.ndarray
  losses: np.ndarray
  psnr: float
  distance: float
  identical: bool


@dataclasses.dataclass(frozen=True)
class Refits:
  """New fits of some images, and of the first of them under another seed.

  Attributes:
    fits: The fits under the dataset's key, by the `place` of the example.
    others: The fits under the other seed, by the `place` of the example.
    other_seed: The other seed, which is public.
    images_per_second: The speed of all fits but the first, which compiles.
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
    plan: The plan of the dataset, with the place of its private key, if any.
    examples: The stored examples, with their `place`. One that occurs twice is
      fitted once.
    num_others: The number of examples, from the first one on, that are also
      fitted under another seed.

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
  """The seed after the dataset's; for a private key, one unrelated to it."""
  if plan.private_key:
    return int(plan.private_key.id, 16) % 2**32
  return plan.seed + 1 if plan.seed < 2**63 - 1 else 0


def _refit(plan: DatasetPlan, config: LinacConfig, example: dict) -> Refit:
  """Fits one example again, with the given transform."""
  # It is fitted alone, because on some devices XLA's float32 bits depend on the
  # size of the batch.
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
