"""Tests of the program that `make sample` runs last."""

import subprocess
import sys

import tensorflow_datasets as tfds

from linac_tfds import Cifar10Linac
from tests.conftest import REPOSITORY


def test_it_prints_examples_and_nothing_of_tensorflow(sample_dir):
  Cifar10Linac(
    config='sample_seed_42', data_dir=sample_dir
  ).download_and_prepare(
    download_config=tfds.download.DownloadConfig(max_examples_per_split=5)
  )
  run = subprocess.run(
    [sys.executable, 'examples/read_sample.py', sample_dir],
    capture_output=True,
    text=True,
    cwd=REPOSITORY,
  )
  lines = run.stdout.splitlines()
  assert len(lines) == 5
  assert lines[0].startswith('train_00000  disc')
  assert run.stderr == ''
