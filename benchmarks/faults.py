"""Injects faults into builds and checks that no work is lost.

  python -m benchmarks.faults [NUM_FAULTS]

The benchmark runs the real command on drawn images and injects 200 faults of
the classes in `injections` at random moments, several into one build. After
each fault it runs the same command again, until the dataset is complete. Every
bit must equal that of an undisturbed build. The exit status is 1 if work was
lost or a build hung.

The faults "disk full" and "folder becomes read-only" mount file systems, which
needs root.
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
  """Injects faults into a dataset and counts those that it survives.

  Attributes:
    victim: The dataset.
    tried: The number of faults of each class that were injected.
    survived: The number of faults of each class after which the dataset became
      complete and correct.
    open: The number of faults of each class since the dataset was complete.
  """

  def __init__(self, victim: Victim):
    self.victim = victim
    self.tried = Counter()
    self.survived = Counter()

    self.open = Counter()

  def inject(self, name: str, fault: Callable[[Victim], bool]) -> None:
    """Injects a fault; if it came too late for a build, tries it again."""
    while not fault(self.victim):
      self.heal()
      self.victim.wipe()
    self.tried[name] += 1
    self.open[name] += 1
    print(f'{name}: {self.victim.missing()} shards to go', flush=True)

  def heal(self) -> None:
    """Runs the same command to its end and compares the dataset."""
    victim = self.victim
    victim.wait_for_family()
    status, error = victim.run()
    if status:
      victim.problems.append(f'the same command fails: {error}')
    else:
      victim.compare()
    if victim.problems:
      print(f'LOST after {dict(self.open)}: {victim.problems}', flush=True)
    else:
      self.survived += self.open
    victim.problems.clear()
    self.open.clear()


def attack(score: Score, num_faults: int) -> None:
  """Injects faults of all classes in random order."""
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
  """Returns faults in random order, at least one of each class.

  Args:
    classes: The share of each class among 200 faults, and the fault, by name.
    num_faults: The number of faults of all classes together.
  """
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
  """Makes a folder, on its own small file system if this user is root."""
  with tempfile.TemporaryDirectory() as folder:
    if os.geteuid():
      print(
        f'Without root, these faults are left out: {", ".join(_NEED_ROOT)}.'
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
  """Runs the benchmark; returns the exit status."""
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
