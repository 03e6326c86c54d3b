"""The process that runs a build, recorded in a file for other builds to see."""

from __future__ import annotations

import dataclasses
import datetime
import os
import pathlib
import platform
import sys

import psutil

from pipelines.errors import printable

# The file in a config's folder that records the process which builds there. In
# a bucket this file is the lease itself. On disk it only names the process that
# holds the lock, and is out of date if no process holds it.
BUILD_PROCESS_FILE = 'building.json'


@dataclasses.dataclass(frozen=True)
class BuildProcess:
  """A process that runs a build.

  Attributes:
    pid: The id of the process.
    host: The name of the machine on which it runs.
    since: The local time at which its build began, in ISO 8601 format.

  Raises:
    ValueError: if no process has such an id. Messages advise `kill` with it,
      for which 0 and negative numbers stand for many processes.
  """

  pid: int
  host: str
  since: str

  def __post_init__(self):
    if not 0 < self.pid < 2**31:
      raise ValueError(f'pid={self.pid} is the id of no process.')

  @classmethod
  def current(cls) -> BuildProcess:
    """The calling process, with the present time as the start of its build."""
    now = datetime.datetime.now().astimezone()
    return cls(os.getpid(), platform.node(), now.isoformat(' ', 'seconds'))

  def has_ended(self) -> bool:
    """Whether the process is known to have ended.

    It is False for processes on other machines, which cannot be seen from here.
    """
    if self.host != platform.node():
      return False
    try:
      return psutil.Process(self.pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
      return True


def tell_waiting(process: BuildProcess, folder: pathlib.Path) -> None:
  """Prints that this process waits for another one that builds in a folder."""
  text = (
    f'Waiting for process {process.pid} on {process.host}, which has been at '
    f'work in {folder} since {process.since}.'
  )
  print(printable(text), file=sys.stderr, flush=True)
