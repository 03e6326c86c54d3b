"""The device of this worker process, and how many images it fits at once."""

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
  """Prepares this process for fits; call it once, before the first fit.

  Args:
    accelerated: Whether the process must have an accelerator.
    compilation_cache: The folder, also gs://, in which workers leave compiled
      programs for each other, or None. Everybody who can write there can run
      code in this process.

  Raises:
    RuntimeError: if there is no accelerator. A CPU in its place would take
      days, at an accelerator's price.
  """
  _leave_gpus_to_jax()
  # Otherwise the last line of a failure says that JAX has shortened the
  # traceback, in place of the reason.
  jax.config.update('jax_traceback_filtering', 'off')
  device = jax.devices()[0]
  if accelerated and device.platform == 'cpu':
    raise RuntimeError(
      'JAX finds no accelerator on this worker, which should have one. Check '
      'that its driver is installed (--accelerator=...;install-nvidia-driver) '
      'and that the container has jax[cuda12].'
    )
  if compilation_cache:
    # JAX names the programs of all CPUs alike. A program for one CPU may use
    # instructions that another CPU does not have, so each kind has its folder.
    kind = _instructions() if device.platform == 'cpu' else 'accelerators'
    folder = f'{compilation_cache.rstrip("/")}/{kind}'
    jax.config.update('jax_compilation_cache_dir', folder)
    # By default JAX keeps only programs that take 1 s to compile. On a CPU, the
    # one program of a worker takes less.
    jax.config.update('jax_persistent_cache_min_compile_time_secs', 0)


def images_per_batch(plan: DatasetPlan) -> int:
  """The number of images to fit by one call to the device.

  It is the plan's number, or else the number that suits an accelerator and its
  memory, or 1 on a CPU. More would make the kernel use more cores than one, but
  the other cores have workers of their own.
  """
  if plan.settings.images_per_batch:
    return plan.settings.images_per_batch
  if jax.default_backend() == 'cpu':
    return 1
  return default_images_per_batch(plan.config, plan.source.schema.shape)


def _leave_gpus_to_jax() -> None:
  """Keeps TensorFlow from taking the memory of all GPUs when it is first used.

  This project does not use it here, but other code in this process might.
  """
  os.environ.setdefault('TF_FORCE_GPU_ALLOW_GROWTH', 'true')
  if tensorflow := sys.modules.get('tensorflow'):
    with contextlib.suppress(RuntimeError):  # It uses the GPUs already.
      tensorflow.config.set_visible_devices([], 'GPU')


def _instructions() -> str:
  """Makes a name for the set of instructions of this CPU."""
  lines = pathlib.Path('/proc/cpuinfo').read_text(encoding='utf-8').splitlines()
  flags = [line for line in lines if line.startswith(('flags', 'Features'))]
  return f'cpu-{hashlib.sha256(flags[0].encode()).hexdigest()[:16]}'
