"""Faults that are injected into builds by the real command.

Each function takes the victim and returns whether the fault hit it; the build
may have ended before.
"""

import contextlib
import functools
import pathlib
import random
import signal
import subprocess
import time
from collections.abc import Callable

import psutil

from benchmarks.victim import Victim, family, wait_until

# The generations of a build's processes: workers are children of the driver.
_LAUNCHER, _DRIVER, _WORKER = range(3)
_MANIFESTS = 'manifests/*.json'
_SHARDS = 'cifar10_linac-*'


def _kill(who: int | None, victim: Victim, build: subprocess.Popen) -> None:
  """Kills one process of a generation of a build, or all processes for None."""
  found = []

  def look() -> bool:
    victim.last_family = family(build)
    found[:] = [psutil.Process(build.pid), *victim.last_family]
    if who is not None:
      found[:] = found[:1]
      for _ in range(who):
        found[:] = [child for each in found for child in each.children()]
    return bool(found)

  wait_until(build, look)
  one = random.sample(found, min(len(found), 1))
  for process in found if who is None else one:
    with contextlib.suppress(psutil.NoSuchProcess):
      process.kill()


def _some_moment(victim: Victim, build: subprocess.Popen) -> None:
  """Waits for a random moment before the last shard."""
  if random.random() < 0.25:
    time.sleep(random.uniform(0, 4))  # A build takes seconds to start.
    return
  there = len(victim.staged(_MANIFESTS))
  more = random.randint(1, max(1, victim.missing() // 2))
  wait_until(build, lambda: len(victim.staged(_MANIFESTS)) >= there + more)
  time.sleep(random.uniform(0, 0.1))


def killed(who: int | None, victim: Victim) -> bool:
  """Kills a process at a random moment."""

  def attack(build):
    _some_moment(victim, build)
    _kill(who, victim, build)

  status, _ = victim.run(attack)
  return status != 0


def stopped(victim: Victim) -> bool:
  """Sends a build a signal that asks it to stop, at a random moment."""
  number = random.choice((signal.SIGINT, signal.SIGTERM, signal.SIGHUP))

  def attack(build):
    _some_moment(victim, build)
    victim.last_family = family(build)
    build.send_signal(number)

  status, _ = victim.run(attack)
  if status not in (0, 128 + number):
    victim.problems.append(f'{number!r} ends a build with status {status}')
  return status != 0


def nobody_listens(victim: Victim) -> bool:
  """Stops reading what a build prints; the build must come to its end."""
  build = victim.start()
  wait_until(build, lambda: victim.staged(_MANIFESTS))
  build.stdout.close()
  build.stderr.close()
  if status := build.wait():
    victim.problems.append(f'a build without a reader ends with {status}')
  return True


def killed_while_publishing(victim: Victim) -> bool:
  """Kills one process or all at some moment while files are published."""
  files = random.randrange(len(victim.expected) + 2)

  def attack(build):
    wait_until(build, lambda: not victim.missing())
    wait_until(build, lambda: len(list(victim.target.rglob('*'))) >= files)
    _kill(random.choice([None, _WORKER, _DRIVER, _LAUNCHER]), victim, build)

  status, _ = victim.run(attack)
  return status != 0


def disk_full(victim: Victim) -> bool:
  """Fills the disk, like another program that takes all space."""
  ballast = victim.data_dir.parent / 'ballast'

  def attack(build):
    _some_moment(victim, build)
    with contextlib.suppress(OSError), open(ballast, 'wb', buffering=0) as f:
      while True:
        f.write(bytes(2**16))

  try:
    status, error = victim.run(attack)
  finally:
    ballast.unlink(missing_ok=True)
  _check_reason(victim, status, error, 'No space left', 'GB free')
  return status != 0


def read_only(victim: Victim) -> bool:
  """Makes the data folder read-only by mounting it over itself."""
  twin = victim.data_dir.with_name('read_only')
  twin.mkdir(exist_ok=True)
  _run('mount', '--bind', victim.data_dir, twin)
  _run('mount', '-o', 'remount,ro,bind', twin)

  def attack(build):
    _some_moment(victim, build)
    _run('mount', '--bind', twin, victim.data_dir)

  try:
    status, error = victim.run(attack)
  finally:
    _run('umount', '--lazy', victim.data_dir)
    _run('umount', '--lazy', twin)
  _check_reason(victim, status, error, 'Read-only', 'gives no permission')
  return status != 0


def source_damaged(victim: Victim) -> bool:
  """Damages a file of the source, and restores it after the build."""
  path = random.choice(list(victim.data_dir.glob('drawn/*/drawn-*')))
  data = path.read_bytes()
  _damage(path)
  try:
    status, error = victim.run()
  finally:
    path.write_bytes(data)
  _check_reason(victim, status, error, str(path.parent))
  return status != 0


def second_build(victim: Victim) -> bool:
  """Runs the same command a second time while it runs."""
  seen = []

  def attack(build):
    _some_moment(victim, build)
    status, _, error = victim.end(victim.start())
    seen.append(status)
    _check_reason(victim, status, error, f'`kill {build.pid}`')

  victim.run(attack)
  return seen == [1]


def fit_diverges(victim: Victim) -> bool:
  """Builds another dataset, with a transform whose fits diverge."""
  build = victim.start('--learning_rate=1e300', '--max_examples_per_split=8')
  status, _, error = victim.end(build)
  _check_reason(victim, status, error, 'diverged')
  if list(victim.folder.parent.glob('*learning_rate*/[0-9]*')):
    victim.problems.append('a dataset that diverged is published')
  return status != 0


def staged_shard_damaged(victim: Victim) -> bool:
  """Damages a finished shard."""
  return _damage_staged(victim, _SHARDS)


def staged_manifest_damaged(victim: Victim) -> bool:
  """Damages the manifest of a finished shard."""
  return _damage_staged(victim, _MANIFESTS)


def _damage_staged(victim: Victim, pattern: str) -> bool:
  while not victim.staged(pattern):
    if not victim.missing():
      victim.wipe()
    killed(None, victim)
  _damage(random.choice(victim.staged(pattern)))
  return True


def published_file_gone(victim: Victim) -> bool:
  """Damages a published file; a build must repair it or tell what to do."""
  files = [path for path in victim.target.rglob('*') if path.is_file()]
  # Most files are shards and manifests, so other files are chosen more often.
  metadata = [path for path in files if path.name.count('-') == 0]
  path = random.choice([*metadata, *random.sample(files, len(metadata))])
  _damage(path)
  # Without the option, a build does not read a shard of the right size.
  status, _, error = victim.end(victim.start('--check_hashes'))
  _check_reason(victim, status, error, 'Delete that')
  if status:
    (victim.target / 'dataset_info.json').unlink()
  return True


def half_published(victim: Victim) -> bool:
  """Removes half of the published files, and `dataset_info.json`."""
  files = sorted(path for path in victim.target.rglob('*') if path.is_file())
  for path in random.sample(files, len(files) // 2):
    path.unlink()
  (victim.target / 'dataset_info.json').unlink(missing_ok=True)
  return True


def _damage(path: pathlib.Path) -> None:
  """Cuts a file somewhere, flips a bit of it, or removes it."""
  data = bytearray(path.read_bytes())
  place = random.randrange(len(data))
  kind = random.choice(('cut', 'flip', 'remove'))
  if kind == 'remove':
    path.unlink()
  elif kind == 'cut':
    path.write_bytes(data[:place])
  else:
    data[place] ^= 1 << random.randrange(8)
    path.write_bytes(data)


def _check_reason(
  victim: Victim, status: int, error: str, *reasons: str
) -> None:
  """Adds a problem if an error does not name one of the reasons."""
  if status and not any(reason in error for reason in reasons):
    victim.problems.append(f'the error does not tell {reasons}: {error}')


def _run(*command) -> None:
  subprocess.run(list(map(str, command)), check=True)


# Faults that stop a build before it is finished. The number is that of a class
# among 200 faults.
INTERRUPTIONS: dict[str, tuple[int, Callable[[Victim], bool]]] = {
  'worker killed': (24, functools.partial(killed, _WORKER)),
  'driver killed': (24, functools.partial(killed, _DRIVER)),
  'launching process killed': (24, functools.partial(killed, _LAUNCHER)),
  'all processes killed': (14, functools.partial(killed, None)),
  'stopped by a signal': (8, stopped),
  'killed while publishing': (22, killed_while_publishing),
  'nobody reads the output': (4, nobody_listens),
  'disk full': (12, disk_full),
  'folder becomes read-only': (8, read_only),
  'source damaged': (8, source_damaged),
  'second build at once': (6, second_build),
  'fit diverges': (2, fit_diverges),
}
# Faults in the files of a build that was stopped.
DAMAGES = {
  'staged shard damaged': (18, staged_shard_damaged),
  'staged manifest damaged': (18, staged_manifest_damaged),
}
# Faults in the files of a published dataset.
LOSSES = {
  'published file gone or damaged': (12, published_file_gone),
  'half of the published files gone': (8, half_published),
}
