"""What fits images on this machine: its NVIDIA GPUs or else its CPU cores."""

from __future__ import annotations

import dataclasses
import functools
import importlib.metadata
import os
import subprocess
from collections.abc import Iterator

import psutil

# A worker's own footprint: Beam, JAX and a batch of examples.
_WORKER_BYTES = 2**30


@dataclasses.dataclass(frozen=True)
class Gpu:
  """A GPU that JAX can use.

  Attributes:
    uuid: names it in `CUDA_VISIBLE_DEVICES`.
    name: of its kind.
  """

  uuid: str
  name: str


@functools.cache
def gpus() -> tuple[Gpu, ...]:
  """The GPUs that this process may use and JAX has a plugin for.

  `JAX_PLATFORMS=cpu` and `CUDA_VISIBLE_DEVICES` are heeded.
  """
  if not _jax_may_use_gpus():
    return ()
  command = 'nvidia-smi --query-gpu=index,uuid,name'
  try:
    table = subprocess.run(
      [*command.split(), '--format=csv,noheader'],
      check=True,
      capture_output=True,
      text=True,
      timeout=30,
    ).stdout
  except (OSError, subprocess.SubprocessError):
    return ()
  return tuple(parse_gpus(table, os.environ.get('CUDA_VISIBLE_DEVICES')))


def _jax_may_use_gpus() -> bool:
  platforms = os.environ.get('JAX_PLATFORMS') or 'cuda'
  plugins = importlib.metadata.entry_points(group='jax_plugins')
  return not {'cuda', 'gpu'}.isdisjoint(platforms.split(',')) and any(
    'cuda' in plugin.name for plugin in plugins
  )


def parse_gpus(table: str, visible: str | None) -> Iterator[Gpu]:
  """The GPUs that CUDA would show, in its order.

  Args:
    table: nvidia-smi's rows of index, UUID and name.
    visible: `CUDA_VISIBLE_DEVICES`, if it is set.
  """
  rows = [line.split(', ') for line in table.splitlines()]
  found = {
    key: Gpu(uuid, name) for index, uuid, name in rows for key in (index, uuid)
  }
  names = [row[0] for row in rows] if visible is None else visible.split(',')
  for name in names:
    if name.strip() not in found:
      return  # CUDA too stops at the first that is not there.
    yield found[name.strip()]


def num_cores() -> int:
  """Cores this process may use."""
  if hasattr(os, 'sched_getaffinity'):  # Linux only.
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1


def most_workers() -> int:
  """Worker processes that have a device of their own."""
  return len(gpus()) or num_cores()


def default_workers() -> int:
  """One worker per device, fewer where memory is short."""
  memory = psutil.virtual_memory().available
  return max(1, min(most_workers(), int(memory / _WORKER_BYTES)))


def describe(num_workers: int) -> str:
  """Such as `2 cores`, `1 NVIDIA H200`."""
  kind = gpus()[0].name if gpus() else 'core' + 's' * (num_workers > 1)
  return f'{num_workers} {kind}'
