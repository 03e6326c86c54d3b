"""Fits and writes a few images as a worker would, to estimate a build.

`run` starts a process for this, as `python -m pipelines.runners.local.trial
STAGING`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time

from linac_config import processes
from pipelines.errors import BuildError
from pipelines.files import strict_json
from pipelines.plan.dataset_plan import DatasetPlan
from pipelines.plan.saved_plan import load_plan, save_plan
from pipelines.runners.local import devices, launch


@dataclasses.dataclass(frozen=True)
class Trial:
  """The measured cost of an image.

  Attributes:
    seconds: The time of a worker for one image, in seconds, without compiling.
    num_bytes: The size of one image in a shard's file, in bytes.
  """

  seconds: float
  num_bytes: float


def run(plan: DatasetPlan) -> Trial:
  """Fits and writes the first images of a plan in a temporary folder.

  Args:
    plan: The plan of the dataset, which need not be saved.

  Raises:
    BuildError: if they cannot be fitted on this machine.
  """
  split, size = plan.splits[0]
  count = min(size, num_images())
  with tempfile.TemporaryDirectory() as folder:
    small = dataclasses.replace(
      plan,
      data_dir=folder,
      splits=((split, count),),
      # The digests belong to whole shards, which this plan does not have.
      source=dataclasses.replace(plan.source, digests={}),
      settings=dataclasses.replace(
        plan.settings,
        examples_per_shard=count,  # There is one shard.
        min_psnr=None,  # No image may be left out: its size is needed.
      ),
    )
    save_plan(small)
    command, imports = processes.python_module(
      'pipelines.runners.local.trial', small.staging
    )
    child = subprocess.run(
      command,
      env=os.environ | launch.environment() | imports,
      capture_output=True,
      encoding='utf-8',
    )
  if child.returncode:
    reason = processes.last_words(child.stderr)
    reason = reason or f'the process ended with {child.returncode}'
    raise BuildError(f'The first images could not be fitted: {reason}')
  last = child.stdout.strip().rpartition('\n')[2]
  return strict_json.convert(json.loads(last), Trial)


def num_images() -> int:
  """The number of images to fit.

  A GPU fits many images at once, so the time of two would say little.
  """
  return 512 if devices.gpus() else 2


def main(staging: str) -> None:
  """Fits and writes the images of a saved plan; prints a `Trial` as JSON."""
  devices.take_device(0)
  # These import JAX, which must see only the device of this process.
  from pipelines.worker.device import images_per_batch
  from pipelines.worker.fit_examples import fit_examples
  from pipelines.worker.read_source import read_source
  from pipelines.worker.write_shard import write_shard

  plan = load_plan(staging)
  (shard,) = plan.shards()
  examples = list(read_source(plan, shard.split, shard.start, shard.stop))
  for _ in fit_examples(plan, iter(examples)):
    pass  # The first fit compiles the program, which is not measured.
  start = time.monotonic()
  manifest = write_shard(plan, shard, fit_examples(plan, iter(examples)))
  seconds = time.monotonic() - start
  fitted = len(examples)
  if plan.config.arithmetic == 'xla':
    # A batch that is not full is padded, and takes as long as a full one.
    size = images_per_batch(plan)
    fitted = -(-fitted // size) * size
  trial = Trial(seconds / fitted, manifest.file_bytes / len(examples))
  print(json.dumps(dataclasses.asdict(trial), allow_nan=False))


if __name__ == '__main__':
  # The process that started this one reports Ctrl-C.
  with contextlib.suppress(KeyboardInterrupt):
    main(sys.argv[1])
