"""A build that two CPUs share is the one that either makes alone."""

import pathlib

import psutil
import pytest

import linac_tfds
from pipelines import verify
from tests.pipelines.commands import staged_manifests, start, wait_until
from transforms.canonical.fit import kernel_name

# 30 shards, fitted in seconds.
CONFIG = (
  *('--source=sample', '--seed=3', '--num_layers=3', '--width=32'),
  *('--num_epochs=4', '--batch_size=128', '--examples_per_shard=4'),
)


@pytest.fixture
def both_kernels(monkeypatch) -> None:
  """Skips the test on a CPU without AVX-512."""
  monkeypatch.setenv('LINAC_KERNEL', 'avx512')
  try:
    kernel_name()
  except ValueError:
    pytest.skip('this CPU does not run avx512')


def finish(data_dir: pathlib.Path, kernel: str) -> str:
  """Runs the command, which must build the dataset; returns its output."""
  build = start(data_dir, *CONFIG, LINAC_KERNEL=kernel)
  output, errors = build.communicate(timeout=120)
  assert build.returncode == 0, errors
  return output


def files(data_dir: pathlib.Path) -> dict[str, bytes]:
  """The contents of all files of the dataset, by their paths in its folder."""
  folder = data_dir / 'cifar10_linac'
  return {
    str(path.relative_to(folder)): path.read_bytes()
    for path in folder.rglob('*')
    if path.is_file()
  }


def test_a_build_that_changes_its_cpu_has_the_bits_of_one(
  both_kernels, sample_dir, tmp_path, all_cores, monkeypatch, capsys
):
  build = start(sample_dir, *CONFIG, LINAC_KERNEL='avx512')
  wait_until(lambda: len(staged_manifests(sample_dir)) > 5, build)
  for process in psutil.Process(build.pid).children(recursive=True):
    process.kill()
  build.communicate(timeout=60)
  begun = 4 * len(staged_manifests(sample_dir))
  assert begun < 120
  output = finish(sample_dir, 'avx2')
  assert f' {120 - begun} fitted' in output
  assert f' {begun} found finished' in output

  linac_tfds.Sample(data_dir=tmp_path).download_and_prepare()
  assert ' 120 fitted' in finish(tmp_path, 'avx2')
  assert files(sample_dir) == files(tmp_path)

  (directory,) = sample_dir.glob('cifar10_linac/*/[0-9]*')
  monkeypatch.setenv('LINAC_KERNEL', 'avx2')
  assert verify.main([str(directory), '--examples=120']) == 0
  assert 'refit    ok       120 examples' in capsys.readouterr().out
