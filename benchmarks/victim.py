"""A small dataset into whose builds faults are injected, and its checks."""

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

# Float64 makes the bits of all builds equal. The build takes long enough that
# faults hit it in the middle.
_OPTIONS = (
  *('--source=drawn', '--seed=3', '--precision=float64', '--num_layers=3'),
  *('--width=32', '--num_epochs=4', '--batch_size=128'),
)
_CONFIG = 'drawn_seed_3_f64+num_layers_3+width_32+num_epochs_4+batch_size_128'
_PER_SHARD = 4
# A build that takes more seconds than this hangs. An undisturbed one takes 8.
_HANGS = 120


def family(process: subprocess.Popen) -> list[psutil.Process]:
  """Returns the processes that a build's launching process has started."""
  try:
    return psutil.Process(process.pid).children(recursive=True)
  except psutil.NoSuchProcess:
    return []


class Victim:
  """A dataset in a folder, and the observations of its builds.

  Attributes:
    data_dir: The root folder for datasets, which holds the prepared source.
    folder: The folder of the dataset's config.
    target: The folder of the published dataset.
    expected: The SHA-256 of each file of an undisturbed build.
    problems: The failed checks since the list was last cleared.
    last_family: The processes of the last build that was attacked.
    runs: The number of builds started.
    hangs: The number of builds that did not end.
    fitted: The number of images fitted by all builds.
    fitted_again: The number of images in finished shards that were made again.
    compared: The number of bytes compared with the undisturbed build.
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
    """Returns the inode of each sound shard, staged or published, by name."""
    files = {}
    for folder in (*self.folder.glob('staging.*'), self.target):
      for path in folder.glob('cifar10_linac-*'):
        # Processes left by a killed build may be publishing the file now.
        with contextlib.suppress(FileNotFoundError):
          if self._is_sound(folder, path.name):
            files[path.name] = path.stat().st_ino
    return files

  def missing(self) -> int:
    """Returns the number of shards that are not finished."""
    shards = [s for s in self.expected if s.startswith('cifar10_linac-')]
    return len(shards) - len(self.finished())

  def staged(self, pattern: str) -> list[pathlib.Path]:
    """Returns the complete files of the staging folder that match a pattern."""
    files = self.folder.glob(f'staging.*/{pattern}')
    return sorted(path for path in files if '.tmp' not in path.name)

  def published(self) -> bool:
    """Whether TFDS would find the dataset."""
    return (self.target / 'dataset_info.json').exists()

  def wipe(self) -> None:
    """Removes the dataset, so that the next build begins from the start."""
    shutil.rmtree(self.folder)

  def start(self, *options: str) -> subprocess.Popen:
    """Starts the command; `options` can make it build another dataset."""
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
    """Runs the command and checks that finished shards stay unchanged.

    Args:
      attack: A function that takes the build's process and injects a fault.

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
    # Processes left by a killed build may have finished more shards meanwhile.
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
    # The progress bar comes first, without a newline at its end.
    _, mark, error = errors.partition('error: ')
    if process.returncode in (129, 130, 143):
      _, mark, error = errors.partition('\nStopped')
    if process.returncode > 0 and (not mark or 'Traceback' in errors):
      self.problems.append(f'an error that is not clear: {errors}')
    return process.returncode, output, error

  def wait_for_family(self) -> None:
    """Waits for processes that the last attacked build left; they must end."""
    _, alive = psutil.wait_procs(self.last_family, timeout=15)
    if alive:
      self.problems.append(f'processes outlive their build: {alive}')
    self.last_family = []

  def compare(self) -> None:
    """Compares the published dataset with the undisturbed one."""
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
    # During the undisturbed build there are no expected hashes yet.
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
      pass  # A process or file came or went during the check.
    time.sleep(0.001)
  return False
