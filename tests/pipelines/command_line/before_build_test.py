"""The messages before a build, and the command that they print."""

import dataclasses
import os
import re
import subprocess
import sys

import pytest

from linac_config.errors import CannotFitError
from pipelines.command_line import before_build, console, dry_run, options
from pipelines.command_line.command import mending_command
from pipelines.plan.settings import Settings
from pipelines.preparation.make_plan import make_plan
from pipelines.runners.find_runner import find_runner
from pipelines.runners.local import devices
from tests.pipelines.conftest import TINY

PRIVATE = [f'--{k}={v}' for k, v in TINY.items() if k != 'seed']


def announced(command):
  """Announces the build of a command; returns its plan."""
  (config,) = command.configs
  plan = make_plan(command.builder(config), command.settings)
  before_build.announce([plan], command, find_runner(None))
  return plan


def test_the_printed_command_names_the_keys_file_in_full(
  lab, tmp_path, monkeypatch, capsys
):
  (tmp_path / 'key.txt').write_text('7')
  monkeypatch.chdir(tmp_path)
  argv = [f'--data_dir={lab.data_dir}', '--config_name=mine', *PRIVATE]
  plan = announced(options.parse([*argv, '--private_key_file=key.txt']))
  printed = capsys.readouterr().out
  assert f'--private_key_file={tmp_path}/key.txt' in printed
  assert plan.private_key.file == f'{tmp_path}/key.txt'


def test_the_time_is_a_range_because_cores_differ(lab, capsys):
  argv = [f'--data_dir={lab.data_dir}', '--source=sample', '--seed=4']
  announced(options.parse(argv))
  found = re.search(
    r'  time     ([\d.]+) to ([\d.]+) s on ', capsys.readouterr().out
  )
  assert 2 < float(found[2]) / float(found[1]) < 4


def test_unfinished_builds_of_another_version_cannot_be_continued(lab, capsys):
  plan = lab.plan()
  old = plan.directory.with_name(f'staging.1.0.2.{"0" * 16}')
  old.mkdir(parents=True)
  argv = [f'--data_dir={lab.data_dir}', *PRIVATE, f'--seed={TINY["seed"]}']
  announced(options.parse(argv))
  assert f'{old} holds an unfinished build of another version' in (
    capsys.readouterr().out
  )


def test_a_name_may_be_as_long_as_a_folders(lab):
  # In version 1, where XLA made all fits, it would be longer.
  argv = [f'--data_dir={lab.data_dir}', *PRIVATE, '--seed=3', '--b1=0.5']
  argv += [f'--mean=0.5,0.5,0.{"1" * 16}', f'--std=0.5,0.5,0.{"1" * 16}']
  argv += ['--learning_rate=0.12345678901234567', '--b2=0.12345678901234567']
  argv.append('--decay_alpha=0.0625')
  plan = announced(options.parse(argv))
  assert 235 < len(plan.config_name) < 256


@pytest.mark.parametrize('arithmetic', ['canonical', 'xla'])
def test_on_a_gpu_the_translation_of_the_kernel_is_announced(
  lab, monkeypatch, capsys, arithmetic
):
  gpu = devices.Gpu('GPU-5e1f', 'Tesla T4', (7, 5))
  monkeypatch.setattr(devices, 'gpus', lambda: (gpu,))
  argv = [f'--data_dir={lab.data_dir}', *PRIVATE, '--seed=3']
  announced(options.parse([*argv, f'--arithmetic={arithmetic}']))
  printed = capsys.readouterr().out
  translates = '1 Tesla T4, whose driver first translates the kernel' in printed
  assert translates == (arithmetic == 'canonical')


def test_characters_that_the_terminal_lacks_are_escaped():
  program = r'console.set_up(); print("\xe4 \u732b")'
  locale = {'LC_ALL': 'C', 'PYTHONUTF8': '0', 'PYTHONCOERCECLOCALE': '0'}
  printed = subprocess.run(
    [
      *(sys.executable, '-c'),
      f'from pipelines.command_line import console; {program}',
    ],
    env=os.environ | locale,
    stdout=subprocess.PIPE,
    check=True,
  ).stdout
  assert printed == b'\\xe4 \\u732b\n'


def test_a_process_that_cannot_fit_ends_with_a_line(capsys):
  @console.dataset_command()
  def main(argv):
    raise CannotFitError('no kernel')

  assert main([]) == 2
  assert capsys.readouterr().err == 'error: no kernel\n'


def test_a_plan_with_check_hashes_sees_a_flipped_bit(lab, capsys):
  plan = lab.plan(Settings(max_examples_per_split=4))
  lab.run(plan)
  path = plan.directory / plan.file_name(plan.shards()[0])
  data = bytearray(path.read_bytes())
  data[5000] ^= 1
  path.write_bytes(data)
  command = mending_command(plan, skips_bad=False)
  settings = dataclasses.replace(command.settings, check_hashes=False)
  dry_run.show_plan(dataclasses.replace(command, settings=settings))
  assert 'Nothing is left to build' in capsys.readouterr().out
  dry_run.show_plan(command)
  assert 'Would build' in capsys.readouterr().out


def test_the_mending_command_has_the_folders_that_verify_was_given(lab):
  command = mending_command(lab.plan(), False, '/sources')
  assert '--source_data_dir=/sources' in command.arguments()


@pytest.mark.parametrize('value', [0, None])
def test_no_number_of_workers_is_the_default(value):
  argv = [] if value is None else [f'--direct_num_workers={value}']
  assert options.parse(argv).settings == Settings()
