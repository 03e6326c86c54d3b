"""The limits that control groups, such as a container's, set to this process.

Linux has two versions of control groups. A group gets no more than each of the
groups around it, so the tightest limit counts.
"""

from __future__ import annotations

import contextlib
import dataclasses
import math
import pathlib
from collections.abc import Iterator

# The files with the limit of memory and with what is used, and the numbers in
# `memory.stat` that the system takes back when memory becomes short.
_MEMORY_FILES = {
  1: ('memory.limit_in_bytes', 'memory.usage_in_bytes'),
  2: ('memory.max', 'memory.current'),
}
_CACHES = {
  1: ('total_inactive_file', 'total_active_file'),
  2: ('inactive_file', 'active_file'),
}


@dataclasses.dataclass(frozen=True)
class Limits:
  """The CPU time and memory that its control groups leave to a process.

  Attributes:
    cpus: The CPU time in seconds per second, such as 0.5; infinite if there is
      no limit.
    memory: The bytes that it may still take; infinite if there is no limit.
  """

  cpus: float
  memory: float


def find(root: pathlib.Path = pathlib.Path('/')) -> Limits:
  """Finds the limits of this process; outside Linux, there are none.

  Args:
    root: The folder that holds the folders `proc` and `sys`.
  """
  cpus, memory = [math.inf], [math.inf]
  for version, controllers, folder in _groups(root):
    # A limit that this process cannot read is none that it could keep to.
    with contextlib.suppress(OSError, ValueError):
      if 'cpu' in controllers:
        cpus.append(_cpus(version, folder))
    with contextlib.suppress(OSError, ValueError):
      if 'memory' in controllers:
        memory.append(_free_bytes(version, folder))
  return Limits(min(cpus), max(0, min(memory)))


def _groups(
  root: pathlib.Path,
) -> Iterator[tuple[int, list[str], pathlib.Path]]:
  """Yields the groups of this process, and those around them.

  Yields:
    The version, the controllers and the folder of each group.
  """
  try:
    groups = (
      (root / 'proc/self/cgroup').read_text(encoding='utf-8').splitlines()
    )
    mounts = (
      (root / 'proc/self/mountinfo').read_text(encoding='utf-8').splitlines()
    )
  except OSError:
    return
  for group in groups:
    # As in `4:cpu,cpuacct:/a/b`, or in version 2 `0::/a/b`.
    _, names, group = group.split(':', 2)
    for mount in mounts:
      # As in `36 35 98:0 /top /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu`.
      place, _, kind = mount.partition(' - ')
      top, folder = place.split()[3:5]
      # The source, which stands between them, may be empty.
      kind, *_, options = kind.split()
      controllers = names.split(',')
      if kind == 'cgroup' and set(controllers) <= set(options.split(',')):
        version = 1
      elif kind == 'cgroup2' and not names:
        version, controllers = 2, ['cpu', 'memory']
      else:
        continue
      mounted = root / folder.lstrip('/')
      # A container may see only its own group, as the top of the folder.
      path = pathlib.PurePath(group)
      path = path.relative_to(top) if path.is_relative_to(top) else ''
      for inner in (mounted / path, *(mounted / path).parents):
        if inner.is_relative_to(mounted):
          yield version, controllers, inner


def _cpus(version: int, folder: pathlib.Path) -> float:
  """The limit of a group's CPU time, in seconds per second."""
  if version == 1:
    quota, period = (
      (folder / f'cpu.cfs_{name}_us').read_text(encoding='utf-8')
      for name in ('quota', 'period')
    )
  else:
    quota, period = (folder / 'cpu.max').read_text(encoding='utf-8').split()
  if quota.strip() in ('-1', 'max'):
    return math.inf
  return int(quota) / int(period)


def _free_bytes(version: int, folder: pathlib.Path) -> float:
  """The memory that a group may still take, in bytes."""
  limit, used = (
    (folder / n).read_text(encoding='utf-8') for n in _MEMORY_FILES[version]
  )
  if limit.strip() == 'max':
    return math.inf
  lines = (folder / 'memory.stat').read_text(encoding='utf-8').splitlines()
  stat = dict(line.split() for line in lines)
  # Some systems that emulate Linux leave them out.
  caches = sum(int(stat.get(name, 0)) for name in _CACHES[version])
  return int(limit) - int(used) + caches
