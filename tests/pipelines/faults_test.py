"""Faults that a build must survive, each of them real and in real processes.

`benchmarks/faults.py` injects many more, at random moments.
"""

import hashlib
import json
import os
import pathlib
import shlex
import shutil
import subprocess

import psutil
import pytest

import linac_tfds
from pipelines import verify
from pipelines.build import main as build_main
from tests.pipelines.commands import staged_manifests, start, wait_until

# 30 shards, fitted in seconds.
CONFIG = (
  *('--source=sample', '--seed=3', '--precision=float64', '--num_layers=3'),
  *('--width=32', '--num_epochs=4', '--batch_size=128'),
  '--examples_per_shard=4',
)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason='only root mounts')


@pytest.fixture(scope='session')
def undisturbed(tmp_path_factory) -> pathlib.Path:
  """A data folder with the dataset as it is without any fault."""
  folder = tmp_path_factory.mktemp('undisturbed')
  linac_tfds.Sample(data_dir=folder).download_and_prepare()
  assert finish(folder)
  return folder


def finish(data_dir: pathlib.Path) -> str:
  """Runs the command, which must build the dataset; returns its output."""
  build = start(data_dir, *CONFIG)
  output, errors = build.communicate(timeout=120)
  assert build.returncode == 0, errors
  return output


def fail(build: subprocess.Popen) -> str:
  """Waits for a build, which must fail; returns its error."""
  _, errors = build.communicate(timeout=120)
  assert build.returncode == 1
  assert 'Traceback' not in errors
  return errors.partition('error: ')[2]


def target(data_dir: pathlib.Path) -> pathlib.Path:
  """The folder of the published dataset."""
  (config,) = data_dir.glob('cifar10_linac/sample_seed_3*')
  return config / str(linac_tfds.Cifar10Linac.VERSION)


def files(data_dir: pathlib.Path) -> dict[str, str]:
  """The SHA-256 of all files of the config, by their paths in its folder."""
  folder = target(data_dir).parent
  return {
    str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
    for path in folder.rglob('*')
    if path.is_file()
  }


@pytest.fixture
def published(undisturbed, tmp_path) -> pathlib.Path:
  """A copy of the undisturbed dataset."""
  return shutil.copytree(undisturbed, tmp_path / 'data')


def test_files_of_a_killed_build_are_repaired(
  undisturbed, sample_dir, all_cores
):
  build = start(sample_dir, *CONFIG)
  wait_until(lambda: len(staged_manifests(sample_dir)) > 5, build)
  (driver,) = psutil.Process(build.pid).children()
  driver.kill()
  assert 'its driver process ended with signal 9' in fail(build)
  manifests = sorted(staged_manifests(sample_dir))
  shards = [path.parents[1] / path.stem for path in manifests]
  data = bytearray(shards[0].read_bytes())
  data[5000] ^= 1
  shards[0].write_bytes(data)
  os.truncate(shards[1], 5000)
  shards[2].unlink()
  text = manifests[3].read_text()
  manifests[3].write_text(text.replace('"psnr": [', '"psnr": [1'))
  # Those four shards are fitted again, and no other that was finished.
  kept = 4 * (len(shards) - 4)
  assert f' {120 - kept} fitted' in (output := finish(sample_dir))
  assert f' {kept} found finished' in output
  assert files(sample_dir) == files(undisturbed)


def test_a_power_cut_while_publishing_loses_nothing(
  undisturbed, sample_dir, all_cores
):
  build = start(sample_dir, *CONFIG)
  pattern = 'cifar10_linac/*/[0-9]*/cifar10_linac-*'
  wait_until(lambda: len(list(sample_dir.glob(pattern))) > 10, build)
  family = psutil.Process(build.pid).children(recursive=True)
  for process in (build, *family):
    process.kill()
  build.communicate()
  output = finish(sample_dir)
  assert ' 0 fitted' in output or 'nothing was fitted' in output
  assert files(sample_dir) == files(undisturbed)


def test_a_published_dataset_with_holes_is_mended(undisturbed, published):
  shards = sorted(target(published).glob('cifar10_linac-*'))
  shards[3].unlink()
  os.truncate(shards[5], 5000)
  (target(published) / 'manifests' / f'{shards[7].name}.json').unlink()
  output = finish(published)
  assert ' 12 fitted' in output
  assert ' 108 found finished' in output
  assert files(published) == files(undisturbed)


def test_verify_tells_the_command_that_mends_a_flipped_bit(
  undisturbed, published, capsys
):
  shard = sorted(target(published).glob('cifar10_linac-*'))[9]
  data = bytearray(shard.read_bytes())
  data[len(data) // 2] ^= 1
  shard.write_bytes(data)
  # A build does not read all files, and so cannot notice it.
  assert 'nothing was fitted' in finish(published)
  assert verify.main([str(target(published)), '--quick']) == 1
  command = capsys.readouterr().out.strip().splitlines()[-1]
  _, _, module, *arguments = shlex.split(command)
  assert module == 'pipelines.build'
  assert build_main(arguments) == 0
  output = capsys.readouterr().out
  assert ' 4 fitted' in output
  assert ' 116 found finished' in output
  assert files(published) == files(undisturbed)
  assert verify.main([str(target(published)), '--quick']) == 0


@pytest.mark.parametrize('name', ['features.json', 'dataset_info.json'])
def test_damaged_metadata_are_refused_in_a_line(published, name):
  (target(published) / name).write_text('{')
  before = files(published)
  error = fail(start(published, *CONFIG))
  assert 'The metadata of cifar10_linac/sample_seed_3_f64' in error
  path = target(published) / 'dataset_info.json'
  assert f'Delete that `dataset_info.json` ({path})' in error
  assert files(published) == before


def test_a_damaged_source_is_told_and_can_be_restored(undisturbed, sample_dir):
  (path,) = sample_dir.glob('sample/*/sample-train*')
  data = path.read_bytes()
  os.truncate(path, len(data) // 2)
  error = fail(start(sample_dir, *CONFIG))
  assert f'The source sample in {path.parent} cannot be read' in error
  path.write_bytes(data)
  finish(sample_dir)
  assert files(sample_dir) == files(undisturbed)


def test_a_log_without_room_does_not_hang_a_failing_build(
  undisturbed, sample_dir
):
  metadata = json.loads((target(undisturbed) / 'metadata.json').read_text())
  name = target(undisturbed).parent.name
  staging = sample_dir / 'cifar10_linac' / name
  version, fingerprint = target(undisturbed).name, metadata['fingerprint']
  staging /= f'staging.{version}.{fingerprint[:16]}'
  # A folder has the name of a shard, which then cannot be written.
  (staging / 'cifar10_linac-train.tfrecord-00009-of-00025').mkdir(parents=True)
  (staging / 'build.log').symlink_to('/dev/full')
  assert 'Is a directory' in fail(start(sample_dir, *CONFIG))


@pytest.fixture
def small_disk(sample_dir):
  """A data folder on a file system of 64 MiB."""
  folder = sample_dir / 'small'
  folder.mkdir()
  mount = ['mount', '-t', 'tmpfs', '-o', 'size=64m', 'tmpfs', str(folder)]
  subprocess.run(mount, check=True)
  shutil.copytree(sample_dir / 'sample', folder / 'data' / 'sample')
  yield folder / 'data'
  subprocess.run(['umount', '--lazy', str(folder)], check=True)


@needs_root
def test_a_disk_that_fills_up_is_told_and_loses_nothing(
  undisturbed, small_disk
):
  build = start(small_disk, *CONFIG)
  wait_until(lambda: staged_manifests(small_disk), build)
  ballast = small_disk / 'ballast'
  subprocess.run(['dd', 'if=/dev/zero', f'of={ballast}'], check=False)
  assert 'No space left on device' in fail(build)
  ballast.unlink()
  kept = 4 * len(staged_manifests(small_disk))
  assert f' {kept} found finished' in finish(small_disk)
  assert files(small_disk) == files(undisturbed)


@needs_root
def test_in_a_read_only_folder_a_dataset_must_be_finished(published, capsys):
  # A build that was killed while it removed its staging folder leaves it.
  (target(published).parent / 'staging.2.0.0.0000000000000000').mkdir()
  before, folder = files(published), str(published)
  command = [f'--data_dir={published}', *CONFIG]
  subprocess.run(['mount', '--bind', folder, folder], check=True)
  try:
    subprocess.run(['mount', '-o', 'remount,ro,bind', folder], check=True)
    assert build_main(command) == 0
    assert 'nothing was fitted' in capsys.readouterr().out
    for other in ('--seed=4', '--overwrite'):
      assert build_main([*command, other]) == 1
      assert 'is mounted read-only. Pass another --data_dir' in (
        capsys.readouterr().err
      )
  finally:
    subprocess.run(['umount', '--lazy', folder], check=True)
  assert files(published) == before
