"""The device of this worker process."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
import sys

import jax

from pipelines.plan.dataset_plan import DatasetPlan
from transforms import default_images_per_batch


def set_up(accelerated: bool, compilation_cache: str | None) -> None:
  """Readies this process to fit, before its first fit.

  Args:
    accelerated: whether it must have an accelerator.
    compilation_cache: a folder, also gs://, in which workers leave compiled
      programs for each other. Whoever can write there can run code here.

  Raises:
    RuntimeError: if there is no accelerator: a CPU in its place would take
      days, at an accelerator's price.
  """
  _leave_gpus_to_jax()
  device = jax.devices()[0]
  if accelerated and device.platform == 'cpu':
    raise RuntimeError(
      'JAX finds no accelerator on this worker, which was to have one. Is its '
      'driver installed (--accelerator=...;install-nvidia-driver), and '
      'jax[cuda12] in the container?'
    )
  if compilation_cache:
    # JAX's names for what it keeps do not tell CPUs' instructions apart.
    kind = _instructions() if device.platform == 'cpu' else 'accelerators'
    folder = f'{compilation_cache.rstrip("/")}/{kind}'
    jax.config.update('jax_compilation_cache_dir', folder)
    # A worker's one program compiles, on a CPU, in less than JAX keeps: 1 s.
    jax.config.update('jax_persistent_cache_min_compile_time_secs', 0)


def images_per_batch(plan: DatasetPlan) -> int:
  """Images to fit by one call: the plan's number, or what the device holds."""
  return plan.settings.images_per_batch or default_images_per_batch(
    plan.config, plan.source.schema.shape
  )


def _leave_gpus_to_jax() -> None:
  """Nothing here uses TensorFlow; what else runs in this process might."""
  # It takes all memory of all GPUs otherwise, when it is first used.
  os.environ.setdefault('TF_FORCE_GPU_ALLOW_GROWTH', 'true')
  if tensorflow := sys.modules.get('tensorflow'):
    with contextlib.suppress(RuntimeError):  # It uses them already.
      tensorflow.config.set_visible_devices([], 'GPU')


def _instructions() -> str:
  """A name for what this CPU can do."""
  lines = pathlib.Path('/proc/cpuinfo').read_text().splitlines()
  flags = [line for line in lines if line.startswith(('flags', 'Features'))]
  return f'cpu-{hashlib.sha256(flags[0].encode()).hexdigest()[:16]}'
