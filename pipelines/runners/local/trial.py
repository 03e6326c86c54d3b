"""Fits and writes two images as a worker would, to tell what a build takes.

The process that does so is started by `run`, as `python -m
pipelines.local.trial STAGING`.
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
from pipelines.runners.local import launch

_NUM_IMAGES = 2


@dataclasses.dataclass(frozen=True)
class Trial:
  """What an image of a build costs.

  Attributes:
    seconds: of a worker's time, once its program is compiled.
    num_bytes: of the shard's file.
  """

  seconds: float
  num_bytes: float


def run(plan: DatasetPlan) -> Trial:
  """Tries the first two images of a plan, in a folder of their own.

  Raises:
    BuildError: if they cannot be fitted here.
  """
  split, size = plan.splits[0]
  with tempfile.TemporaryDirectory() as folder:
    small = dataclasses.replace(
      plan,
      data_dir=folder,
      splits=((split, min(size, _NUM_IMAGES)),),
      # Its digests are of other shards.
      source=dataclasses.replace(plan.source, digests={}),
      settings=dataclasses.replace(
        plan.settings,
        examples_per_shard=None,
        min_psnr=None,  # Bad examples would not be written.
      ),
    )
    save_plan(small)
    command, imports = processes.python_module(
      'pipelines.runners.local.trial', small.staging
    )
    child = subprocess.run(
      command,
      env=os.environ | launch.environment([small]) | imports,
      capture_output=True,
      text=True,
    )
  if child.returncode:
    reason = child.stderr.strip().rpartition('\n')[2]
    reason = reason or f'the process ended with {child.returncode}'
    raise BuildError(f'Two images could not be fitted: {reason}')
  last = child.stdout.strip().rpartition('\n')[2]
  return strict_json.convert(json.loads(last), Trial)


def main(staging: str) -> None:
  """Prints a `Trial` as JSON."""
  from pipelines.runners.local.worker import take_device

  take_device(0)
  # They import JAX, which looks for its devices.
  from pipelines.worker.device import images_per_batch
  from pipelines.worker.fit_examples import fit_examples
  from pipelines.worker.read_source import read_source
  from pipelines.worker.write_shard import write_shard

  plan = load_plan(staging)
  (shard,) = plan.shards()
  examples = list(read_source(plan, shard.split, shard.start, shard.stop))
  for _ in fit_examples(plan, iter(examples)):
    pass  # Compiles the program.
  start = time.monotonic()
  manifest = write_shard(plan, shard, fit_examples(plan, iter(examples)))
  seconds = time.monotonic() - start
  size = images_per_batch(plan)
  fitted = -(-len(examples) // size) * size  # A batch is padded.
  trial = Trial(seconds / fitted, manifest.file_bytes / len(examples))
  print(json.dumps(dataclasses.asdict(trial)))


if __name__ == '__main__':
  with contextlib.suppress(KeyboardInterrupt):  # Told by who started this.
    main(sys.argv[1])
