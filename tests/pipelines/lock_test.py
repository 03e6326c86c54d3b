"""One build of a config at a time, in processes that share nothing."""

import pathlib
import subprocess
import sys

import pytest

from pipelines.build import _only_build_in
from pipelines.errors import BuildError

HOLD = """
import pathlib, sys
from pipelines.build import _only_build_in
with _only_build_in(pathlib.Path(sys.argv[1])):
  print('held', flush=True)
  sys.stdin.read()
"""


def test_the_lock_outlives_those_it_refuses(tmp_path: pathlib.Path):
  folder = tmp_path / 'cifar10_linac' / 'seed_1'
  holder = subprocess.Popen(
    [sys.executable, '-c', HOLD, str(folder)],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
  )
  with holder:
    assert holder.stdout.readline() == 'held\n'
    for _ in range(2):
      with pytest.raises(BuildError, match='Another build'):
        _only_build_in(folder).__enter__()
      assert folder.exists()
    holder.communicate('')
  with _only_build_in(folder):
    assert folder.exists()
  assert not folder.parent.exists()
