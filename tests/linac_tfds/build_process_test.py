"""Tests of the build that a script starts as a separate process."""

import io
import signal
import sys

import psutil
import pytest
import tensorflow_datasets as tfds

from linac_tfds import Cifar10Linac, LinacBuilderConfig, build_process
from tests.pipelines.commands import staged_manifests, wait_until, workers
from tests.users_folder import TINY, end, put_modules, start

READ_AND_BUILD = f"""
import sys
import numpy as np
import tensorflow_datasets as tfds
import linac_tfds
from linac_tfds import LinacBuilderConfig, LinacConfig, linac

assert 'transforms' not in sys.modules
data_dir = sys.argv[1]
config = LinacBuilderConfig(seed=7, **{TINY!r})
builder = tfds.builder('cifar10_linac', config=config, data_dir=data_dir)
few = tfds.download.DownloadConfig(max_examples_per_split=2)
builder.download_and_prepare(download_config=few)
name = f'cifar10_linac/{{config.name}}'
dataset = tfds.load(name, split='test', data_dir=data_dir)
example = next(iter(tfds.as_numpy(dataset)))
assert len(dataset) == 2
assert not {{'transforms', 'pipelines', 'apache_beam'}} & sys.modules.keys()
fit = linac(example['image'][np.newaxis], LinacConfig(**vars(config.linac)))
found = fit.representation[0].astype('float16')
np.testing.assert_allclose(found, example['representation'], atol=1e-2)
"""
SLOW = """
import sys, tensorflow_datasets as tfds, linac_tfds
name = 'cifar10_linac/sample_seed_6+width_128'
builder = tfds.builder(name, data_dir=sys.argv[1])
try:
  builder.download_and_prepare()
except KeyboardInterrupt:
  print('raised again')
"""


@pytest.mark.parametrize('kind', ['modules', 'folders'])
def test_a_script_beside_modules_of_the_users(tmp_path, sample_dir, kind):
  if kind == 'modules':
    put_modules(tmp_path, 'transforms', 'pipelines')
  else:
    for name in ('transforms', 'pipelines'):
      put_modules(tmp_path / name, '__init__')
  (tmp_path / 'script.py').write_text(READ_AND_BUILD)
  # The current folder is not the script's. It holds a module that only a build
  # would import.
  put_modules(tmp_path / 'elsewhere', 'transforms', 'queue')
  status, output, errors = end(
    start(tmp_path / 'elsewhere', f'{tmp_path}/script.py', str(sample_dir))
  )
  assert status == 0, errors
  assert '4 fitted' in output
  # The progress bar is drawn again and again on the same line.
  assert '\rFitting: 100%' in errors.replace('\n', '\r')


def test_a_library_that_a_module_of_the_users_breaks_is_explained(tmp_path):
  put_modules(tmp_path, 'random')
  (tmp_path / 'script.py').write_text('import linac_tfds')
  status, _, errors = end(start(tmp_path, 'script.py'))
  assert status == 1
  last = errors.splitlines()[-1]
  assert last.startswith(f'ImportError: random is {tmp_path}/random.py, which')
  assert "Python's own /" in last


def slow_build(tmp_path, data_dir):
  (tmp_path / 'script.py').write_text(SLOW)
  return start(tmp_path, 'script.py', str(data_dir))


def family_of(process):
  return psutil.Process(process.pid).children(recursive=True)


def test_an_interrupt_reaches_the_build(tmp_path, sample_dir, all_cores):
  process = slow_build(tmp_path, sample_dir)
  wait_until(lambda: staged_manifests(sample_dir), process)
  family = family_of(process)
  assert len(family) >= 3  # The build, its driver, a worker.
  process.send_signal(signal.SIGINT)
  status, output, errors = end(process)
  assert status == 0, errors
  assert output.endswith('raised again\n')
  assert 'of 120 images are saved; the same command goes on' in errors
  assert 'Traceback' not in errors
  _, alive = psutil.wait_procs(family, timeout=20)
  assert not alive


def test_the_build_does_not_outlive_a_killed_script(
  tmp_path, sample_dir, all_cores
):
  process = slow_build(tmp_path, sample_dir)
  wait_until(lambda: workers(process), process)
  family = family_of(process)
  process.kill()
  process.communicate()
  _, alive = psutil.wait_procs(family, timeout=30)
  assert not alive


def run_child(monkeypatch, program: str) -> None:
  """Runs a program in place of `linac build`."""

  def python_module(*_):
    return [sys.executable, '-P', '-c', program], {}

  monkeypatch.setattr(build_process.processes, 'python_module', python_module)
  build_process.build([])


@pytest.mark.parametrize(
  ('status', 'kind'), [(2, ValueError), (1, RuntimeError), (70, RuntimeError)]
)
def test_its_error_is_raised_and_not_printed(monkeypatch, capsys, status, kind):
  program = f"""
import sys, time
print('hello', flush=True)
sys.stderr.write('\\r1 of 2\\r2 of 2\\n')
sys.stderr.write('err')
sys.stderr.flush()
time.sleep(0.2)
sys.stderr.write('or: width=é is none.\\nSet another.\\n')
sys.exit({status})
"""
  with pytest.raises(kind) as error:
    run_child(monkeypatch, program)
  assert str(error.value) == 'width=é is none.\nSet another.'
  captured = capsys.readouterr()
  assert captured.out == 'hello\n'
  assert captured.err == '\r1 of 2\r2 of 2\n'


def test_an_end_without_a_word_is_told(monkeypatch):
  program = 'import os, signal; os.kill(os.getpid(), signal.SIGKILL)'
  with pytest.raises(RuntimeError, match='ended with status -9'):
    run_child(monkeypatch, program)
  with pytest.raises(RuntimeError, match='words: ModuleNotFoundError: No mod'):
    run_child(monkeypatch, 'import no_such_module')


def test_an_interrupt_of_the_build_alone_is_one(monkeypatch):
  with pytest.raises(KeyboardInterrupt):
    run_child(monkeypatch, 'raise SystemExit(130)')


def test_what_only_looks_like_an_error_is_printed(monkeypatch, capsys):
  run_child(monkeypatch, 'import os; os.write(2, b"error: none\\nwell\\n")')
  assert capsys.readouterr().err == 'error: none\nwell\n'


@pytest.mark.parametrize(
  ('text', 'shown', 'error'),
  [
    ('a\nerror: b\nc\n', 'a\n', 'b\nc'),
    ('an error: b\n', 'an error: b\n', ''),
    ('a\rerror: b', 'a\r', 'b'),
    ('error', 'error', ''),
    ('a\nerr\nerror: b', 'a\nerr\n', 'b'),
    ('', '', ''),
  ],
)
@pytest.mark.parametrize('size', [1, 3, 100])
def test_an_error_is_withheld_however_it_is_cut(text, shown, error, size):
  stream = io.StringIO()
  relay = build_process._Relay(stream, withheld='error: ')
  data = text.encode()
  for start_ in range(0, len(data), size):
    relay.write(data[start_ : start_ + size])
  relay.end()
  assert (stream.getvalue(), relay.error) == (shown, error)


def test_characters_that_the_terminal_lacks_are_escaped():
  stream = io.TextIOWrapper(io.BytesIO(), encoding='ascii')
  relay = build_process._Relay(stream)
  relay.write('ä 猫'.encode())
  relay.end()
  assert stream.buffer.getvalue() == rb'\xe4 \u732b'


@pytest.mark.parametrize(
  ('config', 'unset'),
  [({'seed': 1}, ('LINAC_PRIVATE_KEY',)), ({'private_name': 'mine'}, ())],
)
def test_a_key_is_passed_on_to_private_configs_alone(
  tmp_path, monkeypatch, config, unset
):
  seen = []
  monkeypatch.setattr(build_process, 'build', lambda *args: seen.append(args))
  monkeypatch.setattr(
    tfds.core.DatasetInfo, 'read_from_directory', lambda *_: None
  )
  config = LinacBuilderConfig(**TINY, **config)
  builder = Cifar10Linac(config=config, data_dir=tmp_path)
  builder.download_and_prepare(download_dir=tmp_path / 'files')
  ((options, found),) = seen
  assert found == unset
  assert f'--data_dir={tmp_path}' in options
  assert f'--download_dir={tmp_path}/files' in options
  assert '--file_format=tfrecord' in options
  # Several processes of a training may load a dataset that is not there.
  assert '--wait' in options
