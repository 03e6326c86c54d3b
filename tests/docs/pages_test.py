"""What the pages tell to type is typed here, on six drawn images.

Blocks of `bash` and `python` are run as they stand; a block of `console` in the
page on errors is a command and what it answers. Other blocks of `console` need
what is not here: a network, a GPU, an account, an hour.
"""

import importlib
import os
import re
import shlex
import subprocess
import sys

import pytest
import tensorflow_datasets as tfds

from linac_tfds.sample.sample_dataset_builder import Builder as Sample
from tests.conftest import REPOSITORY
from tests.gcs.emulator import BUCKET
from tests.gcs.gateway import gateway

PAGES = [
  'README.md',
  'docs/how_linac_works.md',
  'docs/reproducibility.md',
  'docs/storage.md',
  'docs/cloud.md',
  'docs/reading.md',
]
KINDS = {'bash', 'python', 'console', 'text', 'toml', 'bibtex'}
OPTIONAL = ('torch', 'grain')


def blocks(page: str) -> list[tuple[str, str]]:
  """The kind and the text of each fenced block."""
  text = (REPOSITORY / page).read_text()
  return re.findall(r'^```(\w*)\n(.*?)^```$', text, re.MULTILINE | re.DOTALL)


class Cifar10(Sample, skip_registration=True):
  """Six images of the sample in CIFAR-10's place."""

  name = 'cifar10'
  VERSION = tfds.core.Version('3.0.2')

  def _info(self):
    info = super()._info()
    features = {**info.features, 'id': tfds.features.Text()}
    return tfds.core.DatasetInfo(
      builder=self, features=tfds.features.FeaturesDict(features)
    )

  def _split_generators(self, dl_manager):
    return {
      'train': self._generate_examples(range(4)),
      'test': self._generate_examples(range(4, 6)),
    }

  def _generate_examples(self, indices):
    for index, example in super()._generate_examples(indices):
      yield index, example | {'id': f'drawn_{index}'}


@pytest.fixture(scope='module')
def home(tmp_path_factory, gcs_server):
  """A home folder with CIFAR-10, and one dataset made of it."""
  home = tmp_path_factory.mktemp('home')
  data_dir = home / 'tensorflow_datasets'
  for source in (Cifar10, Sample):
    source(data_dir=data_dir).download_and_prepare()
  with pytest.MonkeyPatch.context() as patch:
    enter(patch, home, gcs_server)
    shell('python -m pipelines.build --source cifar10 --seed 42')
  return home


@pytest.fixture
def at_home(home, gcs_server, bucket, monkeypatch):
  """Lets this process and its children think that they are there."""
  enter(monkeypatch, home, gcs_server)
  return home


def enter(patch: pytest.MonkeyPatch, home, gcs_server: str) -> None:
  patch.setenv('HOME', str(home))
  patch.setenv('PATH', f'{sys.prefix}/bin:{os.environ["PATH"]}')
  patch.setenv('PYTHONPATH', str(REPOSITORY))
  patch.setenv('HTTPS_PROXY', 'http://127.0.0.1:9')  # No network.
  patch.setenv('NO_PROXY', '127.0.0.1')
  patch.setattr(
    tfds.core.constants, 'DATA_DIR', str(home / 'tensorflow_datasets')
  )
  work = home / 'work'
  if not work.exists():
    work.mkdir()
    for path in REPOSITORY.iterdir():
      if path.name != '.venv':
        (work / path.name).symlink_to(path)
    (work / '.venv').symlink_to(sys.prefix)
  patch.chdir(work)


def shell(text: str, *command: str, **environment: str) -> None:
  command = command or ('bash', '-euo', 'pipefail', '-c')
  run = subprocess.run(
    [*command, text],
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
    env=os.environ | environment,
  )
  assert run.returncode == 0, f'{text}\n{run.stdout}'


@pytest.mark.parametrize('page', PAGES)
def test_commands_and_programs_run(page, at_home, gcs_server):
  for kind, text in blocks(page):
    text = text.replace('my-bucket', BUCKET)
    if kind == 'bash':
      shell(text)
    elif kind == 'python' and 'gs://' in text:
      # TensorFlow's client finds the bucket only where it is told so at once.
      with gateway(gcs_server, at_home) as environment:
        shell(text, 'python', '-c', **environment)
    elif kind == 'python' and is_possible(text):
      exec(compile(text, f'<{page}>', 'exec'), {'__name__': '__main__'})


def is_possible(program: str) -> bool:
  return all(
    importlib.util.find_spec(name)
    for name in OPTIONAL
    if f'import {name}\n' in program
  )


def errors() -> list[tuple[int, str, str]]:
  """Exit status, command and answer of each error told."""
  page = (REPOSITORY / 'docs/errors.md').read_text()
  found = []
  for section in re.split('^## ', page, flags=re.MULTILINE):
    status = re.match(r'Status (\d)', section)
    for block in re.findall(r'```console\n\$ (.*?)```', section, re.DOTALL):
      command, _, answer = block.partition('\n')
      found.append((int(status[1]), command, answer))
  return found


@pytest.mark.parametrize(('status', 'command', 'answer'), errors())
def test_errors_are_as_told(status, command, answer, at_home, capsys):
  python, option, module, *arguments = shlex.split(command)
  assert (python, option) == ('python', '-m')
  main = importlib.import_module(module).main
  assert main([os.path.expanduser(a) for a in arguments]) == status
  captured = capsys.readouterr()
  pattern = re.escape(answer.strip()).replace(r'\.\.\.', '.*')
  output = (captured.out + captured.err).strip()
  assert re.fullmatch(pattern, output, re.DOTALL), output


def test_blocks_are_of_known_kinds_and_links_lead_somewhere():
  for path in [REPOSITORY / 'README.md', *(REPOSITORY / 'docs').glob('*.md')]:
    assert {kind for kind, _ in blocks(path)} <= KINDS, path
    for link in re.findall(r'\]\(([^)#:\s]+)(?:#[^)]*)?\)', path.read_text()):
      assert (path.parent / link).exists(), (path, link)
