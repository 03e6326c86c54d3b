"""Whose build it is that holds a lock or a lease."""

from __future__ import annotations

import dataclasses
import datetime
import os
import platform

import psutil

# Says whose build it is; beside a lock, it means nothing while nobody holds it.
BUILD_PROCESS_FILE = 'building.json'


@dataclasses.dataclass(frozen=True)
class BuildProcess:
  """A process that builds.

  Attributes:
    pid: of the process.
    host: the name of its machine.
    since: when it began.
  """

  pid: int
  host: str
  since: str

  @classmethod
  def current(cls) -> BuildProcess:
    """This process, from now on."""
    now = datetime.datetime.now().astimezone()
    return cls(os.getpid(), platform.node(), now.isoformat(' ', 'seconds'))

  def has_ended(self) -> bool:
    """Whether the process has ended, as far as it can be seen from here."""
    if self.host != platform.node():
      return False
    try:
      return psutil.Process(self.pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
      return True
