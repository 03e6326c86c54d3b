"""Tests that the files of deploy/dataflow agree with the project's code."""

import dataclasses
import json
import re
import subprocess
import sys

import pytest

from linac_config import KeylessConfig
from pipelines.command_line import arguments
from pipelines.plan.settings import Settings
from tests.conftest import REPOSITORY

FOLDER = REPOSITORY / 'deploy' / 'dataflow'
# Only the command line has these options. They concern the user's machine, or
# are flags without a value, which a template cannot pass.
NOT_IN_TEMPLATE = {
  'check_hashes',
  'config',
  'direct_num_workers',
  'download_dir',
  'help',
  'overwrite',
  'plan',
  'runner',
  'verbose',
  'wait',
}


@pytest.fixture
def dockerfile() -> str:
  return (FOLDER / 'Dockerfile').read_text().replace('\\\n', '')


@pytest.fixture
def parameters() -> dict[str, dict]:
  metadata = json.loads((FOLDER / 'metadata.json').read_text())
  assert metadata.keys() == {'name', 'description', 'parameters'}
  return {parameter['name']: parameter for parameter in metadata['parameters']}


def test_the_template_has_the_options_there_are(parameters):
  ours = {
    name.removeprefix('--')
    for name in arguments.build_parser()._option_string_actions
    if name.startswith('--')
  }
  assert parameters.keys() - {'sdk_container_image'} == ours - NOT_IN_TEMPLATE
  assert '--sdk_container_image' in (
    arguments.beam_parser()._option_string_actions
  )
  for parameter in parameters.values():
    known = {'name', 'label', 'helpText', 'isOptional', 'regexes'}
    assert {'name', 'label', 'helpText'} <= parameter.keys() <= known


def test_the_template_describes_the_transform_as_help_does(parameters):
  parser = arguments.build_parser()
  for field in dataclasses.fields(KeylessConfig):
    text = parser._option_string_actions[f'--{field.name}'].help
    assert parameters[field.name]['helpText'] == f'Of LinacConfig; {text}.'


@pytest.mark.parametrize(
  ('name', 'good', 'bad'),
  [
    ('data_dir', 'gs://bucket/data', '/data'),
    ('file_format', 'array_record', 'parquet'),
    ('examples_per_shard', '64', '-1'),
  ],
)
def test_the_template_takes_what_the_command_takes(parameters, name, good, bad):
  (pattern,) = parameters[name]['regexes']
  assert re.fullmatch(pattern, good)
  assert not re.fullmatch(pattern, bad)


def test_the_template_takes_every_choice(parameters):
  for field in dataclasses.fields(Settings):
    for choice in field.metadata['choices']:
      (pattern,) = parameters[field.name]['regexes']
      assert re.fullmatch(pattern, choice), field.name


def test_the_template_starts_the_command_for_dataflow(sample_dir):
  process = subprocess.run(
    [
      *(sys.executable, FOLDER / 'main.py', '--source=sample'),
      f'--data_dir={sample_dir}',
    ],
    capture_output=True,
    text=True,
  )
  assert 'which the workers of Dataflow cannot read' in process.stderr
  assert process.returncode == 1


def test_what_the_image_copies_is_there(dockerfile):
  copies = re.findall(r'^COPY (?!--from)(.*) \S+$', dockerfile, re.MULTILINE)
  sources = [source for copy in copies for source in copy.split()]
  assert {'constraints.txt', 'deploy/dataflow/main.py'} <= set(sources)
  assert all((REPOSITORY / source).exists() for source in sources)
  setup = (REPOSITORY / 'setup.py').read_text()
  packages = re.search(r'include=\[(.*?)\]', setup, re.DOTALL)[1]
  assert set(re.findall(r"'(\w+)\*'", packages)) <= set(sources)


def test_the_image_has_the_versions_that_are_pinned(dockerfile):
  constraints = (REPOSITORY / 'constraints.txt').read_text()
  beam = re.search('^apache-beam==(.*)$', constraints, re.MULTILINE)[1]
  python = re.search('^FROM python:(.*)-slim$', dockerfile, re.MULTILINE)[1]
  launcher = f'python{python.replace(".", "")}-template-launcher-base:'
  assert f'apache/beam_python{python}_sdk:{beam} ' in dockerfile
  assert launcher in dockerfile
  assert 'FLEX_TEMPLATE_PYTHON_PY_FILE=/template/main.py' in dockerfile


def test_commands_of_the_runbook_are_understood():
  runbook = (FOLDER / 'README.md').read_text().replace('\\\n', ' ')
  commands = re.findall(r'python -m pipelines\.build (.*)', runbook)
  assert commands
  known = {
    *arguments.build_parser()._option_string_actions,
    *arguments.beam_parser()._option_string_actions,
  }
  for command in commands:
    found = re.findall(r'--\w+', command)
    assert found
    assert set(found) <= known
