"""The benchmark with a stand-in for the device makes a real dataset."""

import json
import os
import re
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY
from tests.rooms_test import MODULES


@pytest.mark.nightly
def test_the_files_are_real_and_only_the_fit_is_not(tmp_path):
  command = '-m benchmarks.device_feed --images 96 --images_per_batch 16'
  config = '--config drawn_seed_42+width_8 --devices 2 --verify'
  run = subprocess.run(
    [sys.executable, *command.split(), *config.split()],
    cwd=REPOSITORY,
    env=os.environ | {'TMPDIR': str(tmp_path)},
    stdout=subprocess.PIPE,
    text=True,
    check=True,
  )
  result = json.loads(run.stdout.strip().rpartition('\n')[2])
  assert result['verified'] is True
  assert 0 < result['device_busy'] <= 1


def test_no_command_can_use_the_stand_in():
  for path in MODULES:
    text = (REPOSITORY / path).read_text()
    assert not re.search(r'stand_in|(from|import) benchmarks', text), path
