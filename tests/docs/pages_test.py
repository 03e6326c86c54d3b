"""Runs the commands and programs of the documentation on six drawn images.

Blocks marked `bash` and `python` are run unchanged except for `STAND_INS`. A
block with only commands of this project runs in this process, another one in
bash. In the page on errors, a block marked `console` is a command and its
output. Elsewhere, such a block needs something that a test does not have, such
as a network, a GPU, an account or an hour, and is not run. If a block marked
`text` holds a command, its options are parsed.
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
  # Each of these pages takes a minute.
  pytest.param('docs/runners.md', marks=pytest.mark.nightly),
  pytest.param('docs/classifier.md', marks=pytest.mark.nightly),
]
# The tests replace these patterns of folders, buckets and commands.
STAND_INS = {
  r'(?<![\w~])/data\b': '$HOME/shared',
  r'dask scheduler': 'dask scheduler --port 0 --dashboard-address :0',
  'my-bucket': BUCKET,
  r'(?<=classifiers.train)\b': ' --epochs=2 --batch_size=4',
}
KINDS = {'bash', 'python', 'console', 'text', 'toml', 'bibtex'}


def blocks(page: str) -> list[tuple[str, str]]:
  """Returns the kind and the text of each fenced block of a page."""
  text = (REPOSITORY / page).read_text()
  return re.findall(r'^```(\w*)\n(.*?)^```$', text, re.MULTILINE | re.DOTALL)


class Cifar10(Sample, skip_registration=True):
  """A dataset `cifar10` of six images, which are those of the sample."""

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
  """A home folder with `cifar10` and a dataset that was built from it."""
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
  """Makes the folder the home of this process and its children."""
  enter(monkeypatch, home, gcs_server)
  return home


def enter(patch: pytest.MonkeyPatch, home, gcs_server: str) -> None:
  patch.setenv('HOME', str(home))
  patch.setenv('PATH', f'{sys.prefix}/bin:{os.environ["PATH"]}')
  patch.setenv('PYTHONPATH', str(REPOSITORY))
  # Nothing listens at this address, so there is no network.
  patch.setenv('HTTPS_PROXY', 'http://127.0.0.1:9')
  patch.setenv('NO_PROXY', '127.0.0.1')
  patch.setattr(
    tfds.core.constants, 'DATA_DIR', str(home / 'tensorflow_datasets')
  )
  patch.chdir(home / 'work')


def shell(text: str, *command: str, **environment: str) -> None:
  command = command or ('bash', '-euo', 'pipefail', '-c')
  # Output goes to a file: a pipe would stay open as long as a service runs.
  log = pathlib.Path('log.txt')
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
        os.killpg(run.pid, signal.SIGKILL)  # Services may still run.
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
      # TensorFlow's client reads the variables only when it starts, so the
      # program needs a new process.
      with gateway(gcs_server, at_home) as environment:
        shell(text, 'python', '-c', **environment)
    elif kind == 'python' and not is_of_torch(text):
      run_program(text, page)


def modules(text: str) -> list[list[str]]:
  """Returns the modules and arguments of a text that only runs our modules.

  Returns:
    The module's name and the arguments of each command; an empty list if the
    text holds anything else.
  """
  lines = text.replace('\\\n', '').splitlines()
  commands = [shlex.split(os.path.expandvars(line)) for line in lines]
  if not all(
    re.match(r'\S*python -m (pipelines|classifiers)\.', line) for line in lines
  ):
    return []
  return [[os.path.expanduser(x) for x in c[2:]] for c in commands]


def run_module(name: str, arguments: list[str]) -> None:
  """Runs a module in this process, which saves the seconds of its imports."""
  main = importlib.import_module(name).main
  assert main(arguments) == 0, (name, arguments)


def run_program(text: str, page: str) -> None:
  exec(compile(text, f'<{page}>', 'exec'), {'__name__': '__main__'})


def is_of_torch(program: str) -> bool:
  """Whether a program needs PyTorch, which not every installation has."""
  return 'import torch\n' in program


def test_programs_for_pytorch_run(at_home):
  if not os.environ.get('CI'):
    pytest.importorskip('torch')
  page = 'docs/reading.md'
  shell(blocks(page)[0][1])  # This builds the dataset that they read.
  (program,) = (text for _, text in blocks(page) if is_of_torch(text))
  run_program(program, page)


def test_commands_for_other_engines_have_known_options():
  texts = [text for kind, text in blocks('docs/runners.md') if kind == 'text']
  commands = [shlex.split(text.replace('\\\n', '')) for text in texts]
  builds = [c for c in commands if c[:3] == ['python', '-m', 'pipelines.build']]
  assert len(builds) == 2
  for command in builds:
    assert options.parse(command[3:]).beam


def test_the_file_of_a_job_has_known_options(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  (text,) = (text for kind, text in blocks('docs/cloud.md') if kind == 'toml')
  pathlib.Path('dataflow.toml').write_text(text)
  (command,) = (
    shlex.split(text)
    for _, text in blocks('docs/cloud.md')
    if 'dataflow.toml --' in text
  )
  found = options.parse(command[3:])
  assert len(found.configs) == 100
  assert found.data_dir == 'gs://my-bucket/data'


def test_the_tests_that_a_page_names_are_there():
  (text,) = (
    text for _, text in blocks('docs/reproducibility.md') if 'pytest' in text
  )
  for command in map(shlex.split, text.splitlines()):
    assert command[:4] == ['python', '-m', 'pytest', '-q']
    code = (REPOSITORY / command[4]).read_text()
    for name in command[6].split(' or '):
      assert re.search(rf'^def test_\w*{name}', code, re.MULTILINE), name


def errors() -> list[tuple[int, str, str]]:
  """Returns the exit status, command and output of each documented error."""
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
