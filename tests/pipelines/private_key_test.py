"""A private key is used, and found in no file, log or process afterwards."""

import contextlib
import dataclasses
import os
import pathlib
import struct
import subprocess
import sys

import numpy as np
import psutil
import pytest
import tensorflow_datasets as tfds
from apache_beam import Pipeline

from linac_tfds import Cifar10Linac, LinacBuilderConfig
from pipelines import verify
from pipelines.plan.private_key import ENVIRONMENT, warnings
from pipelines.plan.saved_plan import FAILURE_FILE, save_plan
from pipelines.plan.settings import Settings
from pipelines.preparation.make_plan import make_plan
from pipelines.runners.pipeline import build_datasets
from pipelines.worker.task import finish_shards
from tests.pipelines.conftest import TINY
from transforms import LinacConfig, linac

KEY = 0x5EC2E7C0DE15BAD1
FIELDS = {k: v for k, v in TINY.items() if k != 'seed'} | {
  'key_derivation': 'full'
}


def spellings(key: int) -> list[bytes]:
  """The forms in which a key could be found in data."""
  return [
    str(key).encode(),
    f'{key:x}'.encode(),
    f'{key:X}'.encode(),
    struct.pack('<q', key),
    struct.pack('>q', key),
    # A random generator holds it as two words of 32 bits.
    struct.pack('<II', key >> 32, key & 0xFFFFFFFF),
    *(struct.pack(f, key & 0xFFFFFFFF) for f in ['<I', '>I']),
  ]


def reveals(data: bytes) -> bool:
  """Whether the key is found in some data, in any of its forms."""
  return any(spelling in data for spelling in spellings(KEY))


@pytest.fixture
def key_file(tmp_path):
  path = tmp_path / 'key'
  path.write_text(f'{KEY}\n')
  path.chmod(0o600)
  return path


def command(data_dir, **options):
  """The command of a small build with a private key."""
  options = {'config_name': 'mine', 'data_dir': data_dir} | FIELDS | options
  arguments = [f'--{name}={value}' for name, value in options.items()]
  return [sys.executable, '-m', 'pipelines.build', *arguments]


def run_watched(arguments, environment=()) -> tuple[int, bytes]:
  """Runs a build.

  Returns:
    The exit status, and all output and command lines of its processes.
  """
  seen = set()
  with subprocess.Popen(
    arguments,
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    env=os.environ | dict(environment),
    umask=0o077,
  ) as process:
    while process.returncode is None:
      for child in psutil.Process(process.pid).children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
          seen.update(child.cmdline())
      with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=0.1)
    said = process.stdout.read()
  return process.returncode, said + '\n'.join(seen).encode()


def folder_contents(folder: pathlib.Path) -> bytes:
  paths = [path for path in folder.rglob('*') if path.is_file()]
  assert paths
  return b'\n'.join(
    bytes(path.relative_to(folder)) + path.read_bytes() for path in paths
  )


def plan_of(lab, key_file, name='mine', fields=()):
  builder = Cifar10Linac(
    config=LinacBuilderConfig(private_name=name, **FIELDS | dict(fields)),
    data_dir=lab.data_dir,
  )
  settings = Settings(private_key_file=str(key_file), examples_per_shard=10)
  return make_plan(builder, settings)


@pytest.mark.parametrize('by_file', [True, False])
def test_the_key_is_used_and_found_nowhere(sample_dir, key_file, by_file):
  """Passes the key in a file and in a variable; checks modes of files, too."""
  options = {'private_key_file': key_file} if by_file else {}
  environment = {} if by_file else {ENVIRONMENT: hex(KEY)}
  before = set(sample_dir.rglob('*'))
  arguments = [*command(sample_dir, **options), '--verbose']
  if by_file:
    status, said = run_watched([*arguments, '--plan'], environment)
    assert status == 0, said.decode()
    assert b'pipelines.runners.local.trial' in said
    assert not reveals(said)
  status, said = run_watched(arguments, environment)
  assert status == 0, said.decode()
  assert b'pipelines.runners.local.driver' in said
  assert b' INFO ' in said
  assert not reveals(said)
  assert not reveals(folder_contents(sample_dir))
  for path in set(sample_dir.rglob('*')) - before:
    assert path.stat().st_mode & 0o077 == 0, path

  dataset = tfds.load('cifar10_linac/mine', split='test', data_dir=sample_dir)
  example = next(iter(tfds.as_numpy(dataset)))
  config = LinacConfig(
    seed=KEY, **{k: v for k, v in FIELDS.items() if k != 'source'}
  )
  expected = linac(example['image'][None], config).representation[0]
  np.testing.assert_array_equal(
    example['representation'], expected.astype(np.float16)
  )


def test_the_key_is_in_no_log_of_a_failed_build(sample_dir, key_file):
  status, said = run_watched(
    command(sample_dir, private_key_file=key_file, learning_rate=1e30)
  )
  assert status == 1
  assert b'diverged' in said
  left = folder_contents(sample_dir)
  assert b'"private_key":' in left
  assert not reveals(said + left)


def test_the_key_is_not_in_the_graph(lab, key_file):
  plan = plan_of(lab, key_file)
  save_plan(plan)
  root = Pipeline()
  build_datasets(root, [str(plan.staging)])
  assert not reveals(root.to_runner_api().SerializeToString())
  assert not reveals(repr(plan).encode())


def test_all_spellings_of_the_key_are_found():
  for spelling in spellings(KEY):
    assert reveals(b'x' + spelling + b'x')


@pytest.mark.parametrize(
  'fields',
  [
    {},
    {'precision': 'float32'},
    # The last layer is the reconstruction, which is similar for all keys.
    {'representation_layer': 2, 'num_epochs': 20},
    {'representation_layer': 2, 'num_epochs': 20, 'precision': 'float32'},
    {'arithmetic': 'xla', 'precision': 'float32'},
    {
      'arithmetic': 'xla',
      'precision': 'float32',
      'representation_layer': 2,
      'num_epochs': 20,
    },
  ],
)
def test_another_key_cannot_go_on(lab, key_file, fields):
  plan = plan_of(lab, key_file, fields=fields)
  save_plan(plan)
  (plan.staging.parent / 'private_key_id').write_text(plan.private_key.id)
  list(finish_shards(tuple(plan.shards()[:2])))
  key_file.write_text('12345')
  again = plan_of(lab, key_file, fields=fields)
  assert again.fingerprint == plan.fingerprint  # It does not depend on the key.
  lab.run(again)
  reason = (again.staging / FAILURE_FILE).read_text()
  assert 'private key is not the one' in reason
  assert '12345' not in reason
  assert not again.directory.exists()

  (again.staging / FAILURE_FILE).unlink()
  key_file.write_text(f'{KEY:#x}')
  lab.run(again)
  assert again.directory.exists()


def test_verify_refits_with_the_key_alone(lab, key_file, capsys):
  plan = plan_of(lab, key_file)
  lab.run(plan)
  directory = str(plan.directory)
  assert verify.main([directory]) == 0
  assert (
    'its key is private; pass --private_key_file' in capsys.readouterr().out
  )
  assert verify.main([directory, f'--private_key_file={key_file}']) == 0
  assert 'refit    ok       16 examples' in capsys.readouterr().out
  key_file.write_text('12345')
  assert verify.main([directory, f'--private_key_file={key_file}']) == 1
  assert 'refit    FAILED' in capsys.readouterr().out


def test_two_names_have_two_ids(lab, key_file):
  ids = {plan_of(lab, key_file, n).private_key.id for n in ('mine', 'yours')}
  assert len(ids) == 2


@pytest.mark.parametrize(
  ('text', 'shown'), [('secret', 'secret'), (str(2**63), '9223'), ('', '""')]
)
def test_text_that_is_no_key_is_not_shown(lab, key_file, text, shown):
  key_file.write_text(text)
  with pytest.raises(ValueError, match='must hold one integer') as caught:
    plan_of(lab, key_file)
  assert shown not in str(caught.value)
  assert caught.value.__context__ is None


@pytest.mark.parametrize(
  ('options', 'environment', 'message'),
  [
    ({}, {}, "config_name='mine' needs a key"),
    ({}, {ENVIRONMENT: ''}, 'LINAC_PRIVATE_KEY must hold one integer'),
    ({'private_key_file': '/no/such'}, {}, 'cannot be read: No such file'),
    ({'seed': 3}, {ENVIRONMENT: '1'}, 'leave out seed'),
    ({'config_name': 'seed_42'}, {ENVIRONMENT: '1'}, 'cannot name a private'),
    ({'config_name': '../x'}, {ENVIRONMENT: '1'}, 'cannot name a private'),
  ],
)
def test_bad_arguments_are_refused(sample_dir, options, environment, message):
  status, said = run_watched(command(sample_dir, **options), environment)
  assert (status, message in said.decode()) == (2, True), said.decode()
  assert not list(sample_dir.glob('cifar10_linac*'))


def test_a_key_without_a_config_name_is_refused(sample_dir):
  arguments = [a for a in command(sample_dir) if 'config_name' not in a]
  status, said = run_watched(arguments, {ENVIRONMENT: str(KEY)})
  assert status == 2
  assert 'pass --config_name' in said.decode()


def test_a_key_that_is_easy_to_guess_or_read_is_warned_about(lab, key_file):
  plan = plan_of(lab, key_file)
  assert warnings(plan.private_key, plan.config) == []
  key_file.chmod(0o644)
  config = dataclasses.replace(plan.config, key_derivation='published')
  derivation, mode = warnings(plan.private_key, config)
  assert '--key_derivation=full' in derivation
  assert f'chmod 600 {key_file}' in mode
