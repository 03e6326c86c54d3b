"""Runs the build command in a process, and looks at what it is doing."""

import os
import pathlib
import subprocess
import sys

import psutil
import pytest

_DRIVER = 'pipelines.runners.local.driver'


def start(data_dir, *arguments, **environment) -> subprocess.Popen:
  """Starts a build with these arguments and additional variables."""
  return subprocess.Popen(
    [
      *(sys.executable, '-m', 'pipelines.build', '--data_dir', str(data_dir)),
      *arguments,
    ],
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
    env=os.environ | environment,
  )


def workers(process: subprocess.Popen) -> list[psutil.Process]:
  """The worker processes of a build, which are children of its driver."""
  return [
    child
    for child in psutil.Process(process.pid).children(recursive=True)
    if _DRIVER in psutil.Process(child.ppid()).cmdline()
  ]


def wait_until(condition, process: subprocess.Popen):
  """Waits for a true value of `condition`, and returns it.

  The test fails if the build ends first.
  """
  while process.poll() is None:
    try:
      if value := condition():
        return value
    except psutil.Error:
      pass  # A process has started or ended in the meantime.
    os.sched_yield()
  pytest.fail(f'The build ended first: {process.communicate()}')


def staged_manifests(data_dir: pathlib.Path) -> list[pathlib.Path]:
  """The manifests of the shards that a build has finished."""
  return list(data_dir.glob('cifar10_linac/*/staging*/manifests/*.json'))
