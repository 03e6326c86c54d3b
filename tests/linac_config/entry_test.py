"""Tests of the signals and the standard streams of the commands' processes."""

import ast
import os
import signal
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY
from tests.rooms_test import MODULES

PRINT = """
import sys
from linac_config import entry
entry.begin_imports()
for stream in sys.stdout, sys.stderr:
  print('ä' * 2**17, file=stream)
try:
  entry.check_output()
except OSError as error:
  open(sys.argv[1], 'w').write(str(error))
else:
  open(sys.argv[1], 'w').write('all is well')
"""
SLEEP = """
import signal, sys, time
from linac_config import entry
entry.begin_imports()
if len(sys.argv) > 1:
  entry.end_imports()
try:
  print('ready', flush=True)
  time.sleep(60)
except KeyboardInterrupt:
  if entry.stop_status() != 130:
    signal.raise_signal(signal.SIGHUP)
  print('stopped')
  sys.exit(entry.stop_status())
"""


def run(program: str, *redirections: str, **variables) -> int:
  """Runs a program in a shell with redirections; returns its exit status."""
  shell = ' '.join(['"$@"', *redirections])
  command = ['bash', '-o', 'pipefail', '-c', shell, '-', sys.executable, '-c']
  return subprocess.run(
    [*command, program, 'report'], env=os.environ | variables, timeout=60
  ).returncode


@pytest.mark.parametrize(
  ('redirections', 'report'),
  [
    (['>&-', '2>&-', '<&-'], 'all is well'),
    (['2>&1', '| true'], 'all is well'),
    (['2>&1', '| head -c 1 > /dev/null'], 'all is well'),
    (['> /dev/null', '2> /dev/full'], 'all is well'),
    (['> /dev/full', '2>&1'], 'standard output was not written: No space left'),
  ],
  ids=' '.join,
)
@pytest.mark.parametrize('variables', [{}, {'PYTHONUNBUFFERED': '1'}])
def test_no_stream_ends_a_command(
  tmp_path, monkeypatch, redirections, report, variables
):
  monkeypatch.chdir(tmp_path)
  variables = {'PYTHONPATH': str(REPOSITORY), **variables}
  assert run(PRINT, *redirections, **variables) == 0
  assert report in (tmp_path / 'report').read_text()


def test_no_character_ends_a_command(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  variables = {'PYTHONPATH': str(REPOSITORY), 'PYTHONIOENCODING': 'ascii'}
  assert run(PRINT, '> output', '2> errors', **variables) == 0
  for name in ('output', 'errors'):
    assert (tmp_path / name).read_text() == '\\xe4' * 2**17 + '\n'


def test_no_warning_is_an_error():
  child = 'import warnings; warnings.warn("of a library")'
  program = f"""
import os, subprocess, sys, warnings
from linac_config import entry, processes
entry.begin_imports()
warnings.warn('of a library')
command, variables = processes.python_module('x')
subprocess.run(
  [command[0], '-c', {child!r}], env=os.environ | variables, check=True
)
"""
  subprocess.run(
    [sys.executable, '-c', program],
    env=os.environ | {'PYTHONWARNINGS': 'error'},
    check=True,
    stderr=subprocess.DEVNULL,
  )


@pytest.mark.parametrize('number', ['SIGINT', 'SIGTERM', 'SIGHUP'])
@pytest.mark.parametrize('arguments', [[], ['ready']])
def test_signals_stop_a_command(number, arguments):
  process = subprocess.Popen(
    [sys.executable, '-c', SLEEP, *arguments],
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    text=True,
  )
  assert process.stdout.readline() == 'ready\n'
  number = signal.Signals[number]
  process.send_signal(number)
  output, errors = process.communicate(timeout=30)
  assert process.returncode == 128 + number
  if arguments:  # The second signal, of a terminal's end, does no harm.
    assert (output, errors) == ('stopped\n', '')


@pytest.mark.skipif(os.geteuid() != 0, reason='only root makes process 1')
def test_the_first_process_of_a_container_can_be_stopped():
  program = SLEEP.replace('time.sleep(60)', 'signal.raise_signal(15)')
  command = ['unshare', '--pid', '--fork', sys.executable, '-c', program]
  assert subprocess.run([*command, 'ready']).returncode == 143


def test_what_a_parent_ignores_stays_ignored():
  program = SLEEP.replace('time.sleep(60)', 'signal.raise_signal(1)')
  command = ['bash', '-c', 'trap "" HUP; exec "$@"', '-', sys.executable]
  assert subprocess.run([*command, '-c', program, 'ready']).returncode == 0


def calls(path) -> set[str]:
  """The functions of `entry` that a module calls."""
  return {
    node.func.attr
    for node in ast.walk(ast.parse((REPOSITORY / path).read_text()))
    if isinstance(node, ast.Call)
    and isinstance(node.func, ast.Attribute)
    and isinstance(node.func.value, ast.Name)
    and node.func.value.id == 'entry'
  }


# The processes that a build starts, whose output goes to the build, and a tool
# of this project's developers.
OTHERS = {
  'pipelines/files/array_record.py',
  'transforms/canonical/cuda/program.py',
  'pipelines/runners/local/driver.py',
  'pipelines/runners/local/trial.py',
}


def test_every_process_that_prints_has_such_streams_and_signals():
  mains = {
    path
    for path in MODULES
    if "if __name__ == '__main__':" in (REPOSITORY / path).read_text()
  }
  assert {str(path) for path in mains} > OTHERS
  for path in mains:
    if path.name == '__main__.py':
      path = path.with_name('main.py')
    if str(path) not in OTHERS:
      assert {'begin_imports', 'end_imports'} <= calls(path), path
