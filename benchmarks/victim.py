"""A small dataset under attack: built by the real command, held to the bit."""

import contextlib
import hashlib
import pathlib
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable

import psutil

from linac_tfds import Cifar10Linac

# Float64, for its bits; big enough that a build is caught in the middle.
_OPTIONS = (
  *('--source=drawn', '--seed=3', '--precision=float64', '--num_layers=3'),
  *('--width=32', '--num_epochs=4', '--batch_size=128'),
)
_CONFIG = 'drawn_seed_3_f64+num_layers_3+width_32+num_epochs_4+batch_size_128'
_PER_SHARD = 4
# A build that takes more seconds hangs; undisturbed, one takes 8.
_HANGS = 120


def family(process: subprocess.Popen) -> list[psutil.Process]:
  """The processes of a build, but for the launching one."""
  try:
    return psutil.Process(process.pid).children(recursive=True)
  except psutil.NoSuchProcess:
    return []


class Victim:
  """A dataset in a folder, and what was seen of the builds of it.

  Attributes:
    data_dir: TFDS's root folder, which holds the prepared source.
    folder: of the config.
    target: of the published dataset.
    expected: SHA-256 of each file of an undisturbed build.
    problems: what went wrong that must not, since the last look.
    last_family: processes of the build attacked last.
    runs: builds started.
    hangs: builds that did not end.
    fitted: images fitted in all.
    fitted_again: images whose finished shards were made again.
    compared: bytes compared with the undisturbed build.
  """

  def __init__(self, data_dir: pathlib.Path):
    self.data_dir = data_dir
    self.folder = data_dir / 'cifar10_linac' / _CONFIG
    self.target = self.folder / str(Cifar10Linac.VERSION)
    self.problems = []
    self.last_family = []
    self.runs = self.hangs = self.fitted = self.fitted_again = self.compared = 0
    self.expected = {}
    status, error = self.run()
    if status:
      raise SystemExit(f'The undisturbed build failed: {error}')
    self.expected = self._hashes()
    self.fitted = len(self.finished()) * _PER_SHARD

  def finished(self) -> dict[str, int]:
    """Inode of each shard that is sound, staged or published."""
    files = {}
    for folder in (*self.folder.glob('staging.*'), self.target):
      for path in folder.glob('cifar10_linac-*'):
        # What is left of a dead build may be publishing right now.
        with contextlib.suppress(FileNotFoundError):
          if self._is_sound(folder, path.name):
            files[path.name] = path.stat().st_ino
    return files

  def missing(self) -> int:
    """Number of shards that are not finished."""
    shards = [s for s in self.expected if s.startswith('cifar10_linac-')]
    return len(shards) - len(self.finished())

  def staged(self, pattern: str) -> list[pathlib.Path]:
    """Committed files of the staging folder."""
    files = self.folder.glob(f'staging.*/{pattern}')
    return sorted(path for path in files if '.tmp' not in path.name)

  def published(self) -> bool:
    """Whether TFDS would find the dataset."""
    return (self.target / 'dataset_info.json').exists()

  def wipe(self) -> None:
    """Forgets the dataset, so that it is built from the start."""
    shutil.rmtree(self.folder)

  def start(self, *options: str) -> subprocess.Popen:
    """Starts the command; `options` make it another dataset's."""
    self.runs += 1
    command = [sys.executable, '-m', 'pipelines.build', *_OPTIONS, *options]
    command += [f'--examples_per_shard={_PER_SHARD}']
    return subprocess.Popen(
      [*command, f'--data_dir={self.data_dir}'],
      stdout=subprocess.PIPE,
      stderr=subprocess.PIPE,
      text=True,
    )

  def run(
    self, attack: Callable[[subprocess.Popen], None] = lambda build: None
  ) -> tuple[int, str]:
    """Runs the command under attack.

    Finished shards must stay as they are.

    Returns:
      The exit status and the error.
    """
    before = self.finished()
    process = self.start()
    attack(process)
    status, output, error = self.end(process)
    after = self.finished()
    again = [name for name in before if after.get(name) != before[name]]
    self.fitted += _PER_SHARD * len(after.keys() - before.keys())
    self.fitted_again += _PER_SHARD * len(again)
    if again:
      self.problems.append(f'finished shards were made again: {again}')
    if not status and 'nothing was fitted' not in output:
      found = re.search(r'(\d+) found finished', output)
      self._check_found(int(found[1]) if found else 0, len(before))
    return status, error

  def _check_found(self, images: int, shards: int) -> None:
    # What is left of a dead build may have finished more in between.
    if images != shards * _PER_SHARD and not self.last_family:
      self.problems.append(
        f'{images} images were found finished, but {shards} shards were'
      )

  def end(self, process: subprocess.Popen) -> tuple[int, str, str]:
    """Waits for a build; returns its status, its output and its error."""
    try:
      output, errors = process.communicate(timeout=_HANGS)
    except subprocess.TimeoutExpired:
      self.hangs += 1
      self.problems.append('the build hangs')
      for hanging in [*family(process), process]:
        hanging.kill()
      output, errors = process.communicate()
    # The bar comes first, and leaves its line open.
    _, mark, error = errors.partition('error: ')
    if process.returncode > 0 and (not mark or 'Traceback' in errors):
      self.problems.append(f'an error that is not clear: {errors}')
    return process.returncode, output, error

  def wait_for_family(self) -> None:
    """Waits for what is left of the build attacked last: it must end soon."""
    _, alive = psutil.wait_procs(self.last_family, timeout=15)
    if alive:
      self.problems.append(f'processes outlive their build: {alive}')
    self.last_family = []

  def compare(self) -> None:
    """Holds the published dataset against the undisturbed one."""
    found = self._hashes()
    if different := dict(found.items() ^ self.expected.items()):
      self.problems.append(f'other files than expected: {sorted(different)}')
    left = [path for path in self.folder.iterdir() if path != self.target]
    left += self.data_dir.rglob('*tmp*')
    left += self.data_dir.rglob('*incomplete*')
    if left:
      self.problems.append(f'left behind: {left}')

  def _hashes(self) -> dict[str, str]:
    hashes = {}
    for path in self.target.rglob('*'):
      if path.is_file():
        self.compared += path.stat().st_size
        hashes[str(path.relative_to(self.target))] = _sha256(path)
    return hashes

  def _is_sound(self, folder: pathlib.Path, shard: str) -> bool:
    names = (shard, f'manifests/{shard}.json')
    hashes = [_sha256(folder / name) for name in names]
    # Of the undisturbed build there is nothing yet to compare with.
    pairs = zip(names, hashes, strict=True)
    return hashes == [self.expected.get(name, value) for name, value in pairs]


def _sha256(path: pathlib.Path) -> str:
  return hashlib.sha256(path.read_bytes()).hexdigest()


def wait_until(process: subprocess.Popen, condition: Callable) -> bool:
  """Waits for a condition; False if the build ended first."""
  while process.poll() is None:
    try:
      if condition():
        return True
    except (psutil.Error, FileNotFoundError):
      pass  # Something came or went in the middle of the look.
    time.sleep(0.001)
  return False
