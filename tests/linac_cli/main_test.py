"""Tests of the command `linac`, in folders that hold modules of the user's."""

import signal

import psutil
import pytest

from linac_cli import main as cli
from linac_config import invocation
from tests.pipelines.commands import wait_until
from tests.users_folder import (
  TINY_OPTIONS,
  end,
  put_modules,
  start,
  start_linac,
)

HIDING = ('transforms', 'pipelines', 'queue', 'random')


@pytest.fixture
def folder(tmp_path):
  put_modules(tmp_path / 'mine', *HIDING)
  return tmp_path / 'mine'


@pytest.fixture(autouse=True)
def _typed_python(monkeypatch):
  """Makes messages name `python -m` again after a test that runs `linac`."""
  monkeypatch.setattr(invocation, '_started_by_linac', False)


def test_help_imports_no_library_and_begins_with_the_commands(tmp_path):
  code = (
    'import sys\n'
    'from linac_cli.main import main\n'
    'assert main(["--help"]) == 0\n'
    'libraries = {"apache_beam", "tensorflow", "jax", "tensorflow_datasets"}\n'
    'assert not libraries & sys.modules.keys()\n'
    'assert not {"numpy", "argparse"} & sys.modules.keys()\n'
  )
  status, output, errors = end(start(tmp_path, '-c', code))
  assert (status, errors) == (0, '')
  _, _, commands = output.partition('options:\n')
  names = [s.split()[0] for s in commands.splitlines() if s[:3].strip()]
  assert names[:8] == list(invocation.COMMANDS)


def test_commands_import_only_what_they_need(tmp_path):
  code = (
    'import sys\n'
    'from pipelines import build, report, status, verify\n'
    'libraries = {"apache_beam", "tensorflow", "jax", "matplotlib"}\n'
    'assert not libraries & sys.modules.keys()\n'
    'from transforms import linac\n'
    'assert not {"flax", "optax"} & sys.modules.keys()\n'
  )
  status, _, errors = end(start(tmp_path, '-c', code))
  assert (status, errors) == (0, '')


@pytest.mark.parametrize('name', invocation.COMMANDS)
def test_every_command_has_help(name, capsys):
  with pytest.raises(SystemExit) as exit_:
    cli.main([name, '--help'])
  assert exit_.value.code == 0
  output = capsys.readouterr().out
  assert output.startswith('usage: ')
  if invocation.COMMANDS[name].startswith('pipelines.'):
    assert output.startswith(f'usage: linac {name} ')


def test_help_of_a_build_begins_with_the_common_options(capsys):
  with pytest.raises(SystemExit):
    cli.main(['build', '--help'])
  output = capsys.readouterr().out
  order = [
    output.index(text)
    for text in (
      *('common options:', '--source', '--data_dir', '--seed ', '--plan'),
      *('--splits', 'workers elsewhere:', 'transform:'),
      "options of Beam's runners:",
    )
  ]
  assert order == sorted(order)
  assert output.count('  --seed ') == 1


@pytest.mark.parametrize(
  ('arguments', 'message'),
  [
    (['biuld'], "unknown command 'biuld'. Did you mean build?"),
    (['frobnicate'], "unknown command 'frobnicate'. `linac --help` lists"),
    (['--data_dir=x', 'build'], 'unknown option --data_dir. Options follow'),
    (['build', '--sed=1'], 'unknown option --sed. Did you mean --seed?'),
    (['evaluate', 'model'], 'required: --dataset'),
  ],
)
def test_errors_are_a_line(arguments, message, capsys):
  assert cli.main(arguments) == 2
  errors = capsys.readouterr().err
  assert message in errors
  assert errors.startswith('error: ')
  assert len(errors.splitlines()) == 1


def test_nothing_typed_is_answered_with_the_help(capsys):
  assert cli.main([]) == 2
  assert capsys.readouterr().err.startswith('usage: linac COMMAND')


def test_the_version(capsys):
  assert cli.main(['--version']) == 0
  assert capsys.readouterr().out.startswith('linac ')


@pytest.mark.parametrize(
  ('command', 'package', 'extra'),
  [('evaluate', 'safetensors', 'classifiers'), ('report', 'jinja2', 'viz')],
)
def test_a_missing_extra_is_named(tmp_path, command, package, extra):
  code = (
    'import sys\n'
    f'sys.modules[{package!r}] = None\n'
    'from linac_cli.main import main\n'
    f'sys.exit(main([{command!r}, "nowhere"]))'
  )
  status, _, errors = end(start(tmp_path, '-c', code))
  assert status == 2
  advice = f"pip install -e '.[{extra}]'."
  assert errors == f'error: {package} is missing; {advice}\n'


def test_it_plans_builds_and_tells_beside_modules_of_the_user(
  folder, sample_dir
):
  options = [*TINY_OPTIONS, '--seed=5', '--max_examples_per_split=2']
  options += [f'--data_dir={sample_dir}']
  status, output, errors = end(start_linac(folder, 'build', *options, '--plan'))
  assert status == 0, errors
  command = f'  linac build --data_dir={sample_dir} --source=sample'
  assert command in output

  status, output, errors = end(start_linac(folder, 'build', *options))
  assert status == 0, errors
  assert command in output
  assert '4 fitted' in output

  status, output, errors = end(
    start(folder, '-m', 'linac_cli', 'status', f'{sample_dir}/cifar10_linac')
  )
  assert (status, errors) == (0, '')
  assert 'finished, 4 of 4 images' in output


def test_an_interrupt_of_the_imports_is_a_line(folder):
  process = start_linac(folder, 'train', '--dataset=x', '--out_dir=y')
  # NumPy is imported early, long before JAX.
  wait_until(
    lambda: any(
      'numpy' in m.path for m in psutil.Process(process.pid).memory_maps()
    ),
    process,
  )
  process.send_signal(signal.SIGINT)
  status, _, errors = end(process)
  assert status == 130
  assert errors == '\nStopped before anything was begun.\n'


@pytest.mark.parametrize(
  ('module', 'hiding'),
  [
    ('pipelines.status', 'queue'),
    ('pipelines.report', 'random'),
    ('classifiers.evaluate', 'transforms'),
  ],
)
def test_python_m_names_what_hides_a_module(tmp_path, module, hiding):
  put_modules(tmp_path, hiding)
  status, _, errors = end(start(tmp_path, '-m', module, 'nowhere'))
  assert status == 2
  assert errors.startswith(f'error: {hiding} is {tmp_path / hiding}.py, which')
  own = {'transforms': 'transforms/__init__.py'}.get(hiding, f'/{hiding}.py')
  assert own in errors
  assert len(errors.splitlines()) == 1
