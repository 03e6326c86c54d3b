"""The commands and programs on the pages are run here, on six drawn images.

Blocks of `bash` and `python` are run as they are, except for `STAND_INS`. A
block of `bash` that has only commands of this project is run in this process,
and any other block by bash. On the page about errors, a block of `console` is a
command and its answer. All other blocks of `console` are not run, because they
need a network, a GPU, an account or an hour. Of the commands in blocks of
`text`, only the options are parsed.
"""

import contextlib
import importlib
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys

import pytest
import tensorflow_datasets as tfds

from linac_config.invocation import COMMANDS
from linac_tfds.sample.sample_dataset_builder import Builder as Sample
from pipelines.command_line import options
from tests.conftest import REPOSITORY
from tests.gcs.emulator import BUCKET
from tests.gcs.gateway import gateway
from tests.pipelines.services import free_port

PAGES = [
  'README.md',
  'docs/how_linac_works.md',
  'docs/reproducibility.md',
  'docs/storage.md',
  'docs/cloud.md',
  'docs/reading.md',
  # A minute each.
  pytest.param('docs/runners.md', marks=pytest.mark.nightly),
  pytest.param('docs/classifier.md', marks=pytest.mark.nightly),
]
# What the folder, the bucket and the training runs of a page are in a test.
STAND_INS = {
  r'(?<![\w~])/data\b': '$HOME/shared',
  r'dask scheduler': 'dask scheduler --port 0 --dashboard-address :0',
  'my-bucket': BUCKET,
  r'(?<=linac train)\b': ' --epochs=2 --batch_size=4',
}
KINDS = {'bash', 'python', 'console', 'text', 'toml', 'bibtex'}


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
  work = home / 'work'
  for folder in (work, home / 'shared'):
    folder.mkdir()
  (work / 'examples').symlink_to(REPOSITORY / 'examples')
  (work / '.venv').symlink_to(sys.prefix)
  shutil.copy(
    REPOSITORY / 'tests/golden/wrn10_1_haiku.npy',
    work / 'cifar10_linac_wrn70-16.npy',
  )
  for source in (Cifar10, Sample):
    source(data_dir=data_dir).download_and_prepare()
  with pytest.MonkeyPatch.context() as patch:
    enter(patch, home, gcs_server)
    shell('python -m pipelines.build --source cifar10 --seed 42')
  return home


@pytest.fixture
def at_home(home, gcs_server, bucket, monkeypatch):
  """Makes stand-ins for the user's folders in this process and its children."""
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
  patch.chdir(home / 'work')


def shell(text: str, *command: str, **environment: str) -> None:
  command = command or ('bash', '-euo', 'pipefail', '-c')
  log = pathlib.Path('log.txt')  # A pipe is open while a service runs.
  with log.open('w') as f:
    run = subprocess.Popen(
      [*command, text],
      stdout=f,
      stderr=subprocess.STDOUT,
      env=os.environ | environment,
      start_new_session=True,
    )
    try:
      status = run.wait(timeout=300)
    finally:
      with contextlib.suppress(ProcessLookupError):
        os.killpg(run.pid, signal.SIGKILL)  # Services, if something failed.
  assert status == 0, f'{text}\n{log.read_text()}'


@pytest.mark.parametrize('page', PAGES)
def test_commands_and_programs_run(page, at_home, gcs_server):
  ports = {rf'\b{port}\b': str(free_port()) for port in (8099, 50000)}
  for kind, text in blocks(page):
    for pattern, stand_in in (STAND_INS | ports).items():
      text = re.sub(pattern, stand_in, text)
    if kind == 'bash' and (commands := modules(text)):
      for module, *arguments in commands:
        run_module(module, arguments)
    elif kind == 'bash':
      shell(text)
    elif kind == 'python' and 'gs://' in text:
      # TensorFlow's client finds the bucket only where it is told so at once.
      with gateway(gcs_server, at_home) as environment:
        shell(text, 'python', '-c', **environment)
    elif kind == 'python' and not is_of_torch(text):
      run_program(text, page)


def modules(text: str) -> list[list[str]]:
  """The modules and arguments of a text that has only `linac` commands."""
  lines = text.replace('\\\n', '').splitlines()
  commands = [shlex.split(os.path.expandvars(line)) for line in lines]
  if not all(re.match(r'(\.venv/bin/)?linac ', line) for line in lines):
    return []
  return [
    [COMMANDS[name], *map(os.path.expanduser, arguments)]
    for _, name, *arguments in commands
  ]


def run_module(name: str, arguments: list[str]) -> None:
  """Runs it here, which spares its imports of seconds."""
  main = importlib.import_module(name).main
  assert main(arguments) == 0, (name, arguments)


def run_program(text: str, page: str) -> None:
  exec(compile(text, f'<{page}>', 'exec'), {'__name__': '__main__'})


def is_of_torch(program: str) -> bool:
  """Whether it needs PyTorch, which is large and in an extra of its own."""
  return 'import torch\n' in program


def test_programs_for_pytorch_run(at_home):
  if not os.environ.get('CI'):
    pytest.importorskip('torch')
  page = 'docs/reading.md'
  shell(blocks(page)[0][1])  # Builds what they read.
  (program,) = (text for _, text in blocks(page) if is_of_torch(text))
  run_program(program, page)


def test_commands_for_other_engines_have_known_options():
  texts = [text for kind, text in blocks('docs/runners.md') if kind == 'text']
  commands = [shlex.split(text.replace('\\\n', '')) for text in texts]
  builds = [command for command in commands if command[0] == 'linac']
  assert len(builds) == 2
  for command in builds:
    assert command[1] == 'build'
    assert options.parse(command[2:]).beam_flags


def test_the_file_of_a_job_has_known_options(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  (text,) = (text for kind, text in blocks('docs/cloud.md') if kind == 'toml')
  pathlib.Path('dataflow.toml').write_text(text)
  (command,) = (
    shlex.split(text)
    for _, text in blocks('docs/cloud.md')
    if 'dataflow.toml --' in text
  )
  assert command[:2] == ['linac', 'build']
  found = options.parse(command[2:])
  assert len(found.configs) == 100
  assert found.data_dir == 'gs://my-bucket/data'


def test_the_tests_that_a_page_names_are_there():
  (text,) = (
    text for _, text in blocks('docs/reproducibility.md') if 'pytest' in text
  )
  for command in map(shlex.split, text.splitlines()):
    assert command[:4] == ['python', '-m', 'pytest', '-q']
    assert [*(REPOSITORY / command[4]).glob('*_test.py')]
    assert command[5:] in ([], ['-m', 'nightly'])


def errors() -> list[tuple[int, str, str]]:
  """The exit status, the command and the answer of each error on the page."""
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
  linac, name, *arguments = shlex.split(command)
  assert linac == 'linac'
  main = importlib.import_module(COMMANDS[name]).main
  assert main([os.path.expanduser(a) for a in arguments]) == status
  captured = capsys.readouterr()
  pattern = re.escape(answer.strip()).replace(r'\.\.\.', '.*')
  output = (captured.out + captured.err).strip()
  assert re.fullmatch(pattern, output, re.DOTALL), output


def test_blocks_are_of_known_kinds_and_links_lead_somewhere():
  for path in [*REPOSITORY.glob('*.md'), *(REPOSITORY / 'docs').glob('*.md')]:
    assert {kind for kind, _ in blocks(path)} <= KINDS, path
    for link in re.findall(r'\]\(([^)#:\s]+)(?:#[^)]*)?\)', path.read_text()):
      assert (path.parent / link).exists(), (path, link)
