"""Builds that are killed, starved and damaged, again and again.

  python -m benchmarks.faults [NUM_FAULTS]

Runs the real command on drawn images and injects 200 faults of the classes in
`injections` at random moments, several into one build. After each, the same
command is run again, until the dataset is whole and the same to the last bit as
that of an undisturbed build. Exits with 1 if anything was lost or hung.

A full disk and a read-only folder are mounted, which takes root.
"""

import contextlib
import json
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator

from benchmarks import drawn
from benchmarks.injections import DAMAGES, INTERRUPTIONS, LOSSES
from benchmarks.victim import Victim

_NEED_ROOT = ('disk full', 'folder becomes read-only')


class Score:
  """Injects faults into a dataset, and counts what it survives."""

  def __init__(self, victim: Victim):
    self.victim = victim
    self.tried = Counter()
    self.survived = Counter()
    # Those after which the dataset was not whole yet.
    self.open = Counter()

  def inject(self, name: str, fault: Callable[[Victim], bool]) -> None:
    """Injects a fault; one that came too late is tried again."""
    while not fault(self.victim):
      self.heal()
      self.victim.wipe()
    self.tried[name] += 1
    self.open[name] += 1
    print(f'{name}: {self.victim.missing()} shards to go', flush=True)

  def heal(self) -> None:
    """Runs the same command to its end, and compares the dataset."""
    victim = self.victim
    victim.wait_for_family()
    status, error = victim.run()
    if status:
      victim.problems.append(f'the same command does not go on: {error}')
    else:
      victim.compare()
    if victim.problems:
      print(f'LOST after {dict(self.open)}: {victim.problems}', flush=True)
    else:
      self.survived += self.open
    victim.problems.clear()
    self.open.clear()


def attack(score: Score, num_faults: int) -> None:
  """Injects faults of all classes, in random order."""
  for name, fault in draw(INTERRUPTIONS | DAMAGES, num_faults):
    if not score.victim.missing():
      score.heal()
      score.victim.wipe()
    score.inject(name, fault)
  for name, fault in draw(LOSSES, num_faults):
    score.heal()
    score.inject(name, fault)
  score.heal()


def draw(classes: dict, num_faults: int) -> list[tuple[str, Callable]]:
  """The classes' share of so many faults, shuffled, one of each at least."""
  if os.geteuid():
    classes = {k: v for k, v in classes.items() if k not in _NEED_ROOT}
  faults = [
    (name, fault)
    for name, (share, fault) in classes.items()
    for _ in range(max(1, round(num_faults * share / 200)))
  ]
  random.shuffle(faults)
  return faults


@contextlib.contextmanager
def small_disk() -> Iterator[pathlib.Path]:
  """A folder on a file system of its own, if we may mount one."""
  with tempfile.TemporaryDirectory() as folder:
    if os.geteuid():
      print(
        f'Not root, so nothing is mounted: no {" and no ".join(_NEED_ROOT)}'
      )
      yield pathlib.Path(folder)
      return
    subprocess.run(
      ['mount', '-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', folder], check=True
    )
    try:
      yield pathlib.Path(folder)
    finally:
      subprocess.run(['umount', '--lazy', folder], check=True)


def main(num_faults: int) -> int:
  """Returns the exit status."""
  random.seed(0)
  start = time.monotonic()
  with small_disk() as folder:
    data_dir = folder / 'data'
    drawn.prepare(120, str(data_dir), 'tfrecord')
    victim = Victim(data_dir)
    score = Score(victim)
    attack(score, num_faults)
  lost = score.tried - score.survived
  print(f'\n{"fault":36}{"tried":>6}{"survived":>10}')
  for name in (*INTERRUPTIONS, *DAMAGES, *LOSSES):
    print(f'{name:36}{score.tried[name]:6}{score.survived[name]:10}')
  result = {
    'benchmark': 'faults',
    'tried': score.tried.total(),
    'survived': score.survived.total(),
    'hangs': victim.hangs,
    'builds': victim.runs,
    'images_fitted': victim.fitted,
    'finished_images_fitted_again': victim.fitted_again,
    'mb_compared': victim.compared // 10**6,
    'minutes': round((time.monotonic() - start) / 60, 1),
  }
  print(json.dumps(result))
  return 1 if lost or victim.hangs else 0


if __name__ == '__main__':
  sys.exit(main(int(sys.argv[1]) if sys.argv[1:] else 200))
