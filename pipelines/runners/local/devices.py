"""The devices of this machine that fit: its NVIDIA GPUs, or else its cores."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import math
import os
import subprocess
from collections.abc import Iterator

import psutil

from linac_config import processes
from pipelines.runners.local import limits, parent

# The memory of the driver, and of each worker besides what it shares with it.
# RESULTS.md in benchmarks/ has what workers on cores take. Workers on GPUs hold
# batches of hundreds of images.
_DRIVER_BYTES = 200e6
_WORKER_BYTES = {'core': 200e6, 'GPU': 1e9}


@dataclasses.dataclass(frozen=True)
class Gpu:
  """A GPU that JAX can use.

  Attributes:
    uuid: The UUID, which names it in `CUDA_VISIBLE_DEVICES`.
    name: The name of its model, such as `'NVIDIA H200'`.
    capability: Its compute capability, such as `(9, 0)`.
  """

  uuid: str
  name: str
  capability: tuple[int, ...]


@functools.cache
def gpus() -> tuple[Gpu, ...]:
  """Lists the GPUs that this process may use and that JAX has a plugin for.

  `JAX_PLATFORMS=cpu` rules out all GPUs, and `CUDA_VISIBLE_DEVICES` those that
  it does not name.
  """
  if not _jax_may_use_gpus():
    return ()
  command = 'nvidia-smi --query-gpu=index,uuid,compute_cap,name'
  try:
    table = subprocess.run(
      [*command.split(), '--format=csv,noheader'],
      check=True,
      capture_output=True,
      encoding='utf-8',
      timeout=30,
    ).stdout
  except (OSError, subprocess.SubprocessError):
    return ()
  return tuple(parse_gpus(table, os.environ.get('CUDA_VISIBLE_DEVICES')))


def _jax_may_use_gpus() -> bool:
  """Whether JAX has a plugin for GPUs and is not told to leave them alone."""
  platforms = os.environ.get('JAX_PLATFORMS') or 'cuda'
  plugins = importlib.metadata.entry_points(group='jax_plugins')
  return not {'cuda', 'gpu'}.isdisjoint(platforms.split(',')) and any(
    'cuda' in plugin.name for plugin in plugins
  )


def parse_gpus(table: str, visible: str | None) -> Iterator[Gpu]:
  """Yields the GPUs that CUDA would show, in its order.

  Args:
    table: The output of nvidia-smi, with rows of index, UUID, compute
      capability and name.
    visible: The value of `CUDA_VISIBLE_DEVICES`, or None if it is not set.
  """
  rows = [line.split(', ', 3) for line in table.splitlines()]
  found = {
    key: Gpu(uuid, name, tuple(map(int, capability.split('.'))))
    for index, uuid, capability, name in rows
    for key in (index, uuid)
  }
  names = [row[0] for row in rows] if visible is None else visible.split(',')
  for name in names:
    if name.strip() not in found:
      return  # CUDA, too, stops at the first name that it does not know.
    yield found[name.strip()]


def check_canonical() -> None:
  """Refuses GPUs that cannot compute canonical arithmetic.

  Raises:
    ValueError: if there is one; the message names it.
  """
  for gpu in gpus():
    if gpu.capability < (7, 5):
      raise ValueError(
        f'The {gpu.name} has compute capability '
        f"{'.'.join(map(str, gpu.capability))}, and arithmetic='canonical' "
        'needs 7.5 or newer. Pass --arithmetic=xla, or set JAX_PLATFORMS=cpu '
        'to fit on cores.'
      )


@functools.cache
def _limits() -> limits.Limits:
  """The limits when this process first asked for them."""
  found = limits.find()
  free = psutil.virtual_memory().available
  return dataclasses.replace(found, memory=min(found.memory, free))


def num_cores() -> int:
  """The number of cores whose time this process may use.

  A container that has half a core's time, or one and a half, can use one or two
  of them.
  """
  return math.ceil(min(processes.num_cores(), _limits().cpus))


def most_workers() -> int:
  """The most worker processes that can have a device of their own."""
  return len(gpus()) or num_cores()


def default_workers() -> int:
  """The default number of workers: one per device, fewer if memory is short.

  It is 0 if the memory is too short for one.
  """
  free = _limits().memory - _DRIVER_BYTES
  return max(0, min(most_workers(), int(free // _worker_bytes())))


def needed_bytes() -> float:
  """The free memory that a build with one worker needs, in bytes."""
  return _DRIVER_BYTES + _worker_bytes()


def _worker_bytes() -> float:
  return _WORKER_BYTES['GPU' if gpus() else 'core']


def describe_limits() -> str:
  """Names the devices and the memory that workers may use, for messages."""
  cpus = _limits().cpus
  quota = '' if math.isinf(cpus) else f' (the CPU quota is {cpus:.3g})'
  free = f'{_limits().memory / 1e6:,.0f} MB of free memory'
  return f'{describe(most_workers())}{quota}, {free}'


def take_device(index: int) -> None:
  """Gives this process, a worker, a GPU or, on Linux, a core.

  Args:
    index: The number of the worker, from 0. If there are more workers than
      devices, several workers share one.
  """
  if uuids := os.environ.get(parent.GPUS):
    uuids = uuids.split(',')
    os.environ['CUDA_VISIBLE_DEVICES'] = uuids[index % len(uuids)]
  elif hasattr(os, 'sched_setaffinity'):  # Linux only.
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[index % len(cores)]})


def describe(num_workers: int) -> str:
  """Names the devices of some workers, such as `2 cores` or `1 NVIDIA H200`."""
  kind = gpus()[0].name if gpus() else 'core' + 's' * (num_workers > 1)
  return f'{num_workers} {kind}'
