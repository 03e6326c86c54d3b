"""The limits of control groups, in copies of their files and in real groups."""

import contextlib
import math
import os
import pathlib
import re
import subprocess
import sys
import uuid

import pytest

from pipelines.plan.settings import Settings
from pipelines.runners.find_runner import find_runner
from pipelines.runners.local import devices, limits

GB = 10**9
CGROUP2 = '30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate'


def write(root: pathlib.Path, files: dict[str, str]) -> None:
  for name, text in files.items():
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(f'{text}\n', encoding='utf-8')


@pytest.fixture
def version_2(tmp_path):
  """A process in the group `/pod/box`; the limits of both groups count."""
  write(
    tmp_path,
    {
      'proc/self/cgroup': '0::/pod/box',
      'proc/self/mountinfo': CGROUP2,
      'sys/fs/cgroup/pod/cpu.max': '150000 100000',
      'sys/fs/cgroup/pod/memory.max': f'{4 * GB}',
      'sys/fs/cgroup/pod/memory.current': f'{3 * GB}',
      'sys/fs/cgroup/pod/memory.stat': (
        f'anon 1\ninactive_file {GB}\nactive_file {GB}'
      ),
      'sys/fs/cgroup/pod/box/cpu.max': 'max 100000',
      'sys/fs/cgroup/pod/box/memory.max': 'max',
      'sys/fs/cgroup/pod/box/memory.current': f'{GB}',
    },
  )
  return tmp_path


def test_the_tightest_group_counts_and_caches_are_free(version_2):
  assert limits.find(version_2) == limits.Limits(1.5, 3 * GB)
  box = {'cpu.max': '50000 100000', 'memory.max': f'{GB // 2}'}
  write(version_2 / 'sys/fs/cgroup/pod/box', box)
  write(
    version_2 / 'sys/fs/cgroup/pod/box',
    {'memory.stat': 'inactive_file 0\nactive_file 0'},
  )
  # The group has more than its limit, which was lowered.
  assert limits.find(version_2) == limits.Limits(0.5, 0)


def test_a_container_sees_its_own_group_as_the_top(tmp_path):
  quota = {'cpu.cfs_quota_us': '250000', 'cpu.cfs_period_us': '100000'}
  group = tmp_path / 'sys/fs/cgroup/cpu,cpuacct'
  write(group, quota)
  memory = '4:cpuacct,cpu:/docker/1a\n5:name=systemd:/docker/1a\n0::/'
  mount = '31 2 0:9 /docker/1a /sys/fs/cgroup/cpu,cpuacct rw - cgroup c rw'
  proc = {'cgroup': memory, 'mountinfo': f'{mount},cpu,cpuacct'}
  write(tmp_path / 'proc/self', proc)
  assert limits.find(tmp_path) == limits.Limits(2.5, math.inf)


def test_systems_that_emulate_linux_leave_fields_out(version_2):
  write(
    version_2,
    {
      'proc/self/mountinfo': CGROUP2.replace(' cgroup2 rw', '  rw'),
      'sys/fs/cgroup/pod/memory.stat': 'anon 1',
    },
  )
  assert limits.find(version_2) == limits.Limits(1.5, GB)


def test_without_groups_there_are_no_limits(tmp_path):
  assert limits.find(tmp_path) == limits.Limits(math.inf, math.inf)


@pytest.mark.parametrize(
  ('cpus', 'memory', 'workers'),
  [
    (math.inf, 9 * GB, 4),
    (1.5, 9 * GB, 2),
    (0.5, 9 * GB, 1),
    (math.inf, 0.85 * GB, 3),
    (math.inf, 0.3 * GB, 0),
  ],
)
def test_workers_fit_into_the_limits(monkeypatch, cpus, memory, workers):
  monkeypatch.setattr(os, 'sched_getaffinity', lambda _: set(range(4)))
  found = limits.Limits(cpus, memory)
  monkeypatch.setattr(devices, '_limits', lambda: found)
  monkeypatch.setattr(devices, 'gpus', lambda: ())
  assert devices.default_workers() == workers
  # With a number of the user's, the build tries it.
  find_runner(None).check(Settings(direct_num_workers=1))


@contextlib.contextmanager
def group(controller: str, limit: dict[str, object]):
  """Makes a group of version 1, if this system has them and lets us."""
  folder = pathlib.Path('/sys/fs/cgroup', controller, f'linac-{uuid.uuid4()}')
  try:
    folder.mkdir()
    for name, value in limit.items():
      (folder / name).write_text(str(value), encoding='utf-8')
  except OSError:
    pytest.skip('This test makes control groups of version 1.')
  try:
    yield folder / 'cgroup.procs'
  finally:
    folder.rmdir()


def run_in(procs: pathlib.Path, *arguments) -> subprocess.CompletedProcess:
  """Runs a build in a group."""
  return subprocess.run(
    # The shell enters the group, and becomes the build.
    [
      'sh',
      '-c',
      'echo $$ > "$0" && exec "$@"',
      str(procs),
      sys.executable,
      '-m',
      'pipelines.build',
      *map(str, arguments),
    ],
    capture_output=True,
    text=True,
  )


def test_a_group_in_which_no_worker_fits_is_refused(tmp_path):
  with group('memory', {'memory.limit_in_bytes': 400_000_000}) as procs:
    build = run_in(procs, '--source=sample', f'--data_dir={tmp_path}')
  assert build.returncode == 1
  assert 'A worker needs 400 MB of free memory, ' in build.stderr
  assert re.search(r', 3\d\d MB of free memory. Give', build.stderr)
  assert not list(tmp_path.iterdir())


def test_half_a_core_starts_one_worker(tmp_path):
  quota = {'cpu.cfs_period_us': 100_000, 'cpu.cfs_quota_us': 50_000}
  with group('cpu', quota) as procs:
    build = run_in(procs, '--direct_num_workers=2', f'--data_dir={tmp_path}')
  assert build.returncode == 2
  assert 'more than the 1 core that this process may use' in build.stderr
