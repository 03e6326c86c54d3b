"""Parsing the text of a command gives an equal command, with any options."""

import dataclasses
import typing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from linac_config import KeylessConfig
from linac_config.config import (
  ACTIVATIONS,
  ARITHMETICS,
  KEY_DERIVATIONS,
  PRECISIONS,
)
from pipelines.command_line import options
from pipelines.command_line.command import Command, mending_command
from pipelines.plan.settings import Settings
from pipelines.preparation.make_plan import make_plan

WORDS = st.text('abcxyz0189./_-', min_size=1).filter(
  lambda text: text[0] not in '-./_'
)
# The values of options for which not every text works.
SPECIAL = {
  'source': st.sampled_from(['cifar10', 'sample', 'cifar10_corrupted/fog_1']),
  'image_feature': WORDS,
  'label_feature': WORDS,
  'runner': st.none(),  # Beam's parser takes seconds.
  'config_name': st.none()
  | st.from_regex('[a-r][a-r0-9]{0,20}', fullmatch=True),
  'splits': st.none() | st.lists(WORDS, min_size=1, unique=True).map(tuple),
  'min_psnr': st.none() | st.floats(allow_nan=False, allow_infinity=False),
}
FIELDS = {
  'key_derivation': st.sampled_from(KEY_DERIVATIONS),
  'activation': st.sampled_from(ACTIVATIONS),
  'arithmetic': st.sampled_from(ARITHMETICS),
  'precision': st.sampled_from(PRECISIONS),
  'num_epochs': st.integers(1, 2**20),
  'use_bias': st.booleans(),
  'learning_rate': st.floats(1e-30, 1e30),
  'mean': st.none() | st.lists(st.floats(0, 1), min_size=1).map(tuple),
}


def values(kind: type) -> dict:
  """Makes a strategy for each declared option of a dataclass."""
  hints, found = typing.get_type_hints(kind), {}
  for field in dataclasses.fields(kind):
    if not (facts := field.metadata):
      continue
    if field.name in SPECIAL:
      found[field.name] = SPECIAL[field.name]
    elif facts['choices']:
      found[field.name] = st.sampled_from(facts['choices'])
    elif hints[field.name] is bool:
      found[field.name] = st.booleans()
    else:
      integer = int in typing.get_args(hints[field.name])
      some = st.integers(1, 2**40) if integer else WORDS
      found[field.name] = st.none() | some
  return found


@st.composite
def commands(draw) -> Command:
  """Draws commands with any options."""
  given = {name: draw(value) for name, value in values(Command).items()}
  seeds = st.integers(-(2**63), 2**63 - 1)
  fields = draw(st.fixed_dictionaries({}, optional=FIELDS))
  if fields.get('activation', 'relu') != 'relu':
    fields['arithmetic'] = 'xla'
  return Command(
    **given,
    settings=Settings(
      **{name: draw(value) for name, value in values(Settings).items()}
    ),
    transform=KeylessConfig(**fields),
    seeds=()
    if given['config_name']
    else draw(
      st.lists(
        seeds, min_size=1, max_size=1 if given['wait'] else 5, unique=True
      ).map(tuple)
    ),
  )


@given(commands())
def test_the_text_of_a_command_is_parsed_to_an_equal_one(command):
  try:
    _ = command.configs
  except ValueError:  # The name of a config would be too long for a folder.
    return
  assert options.parse(command.arguments()) == command


def test_options_of_a_runner_are_part_of_the_text():
  argv = ['--runner=DataflowRunner', '--job_name=linac', '--seeds=0:3']
  command = options.parse(argv)
  assert set(command.arguments()) == set(argv)
  assert options.parse(command.arguments()) == command


@pytest.mark.parametrize('name', [f.name for f in dataclasses.fields(Settings)])
def test_no_setting_is_empty_by_mistake(name):
  with pytest.raises(ValueError, match=f'{name}.*(empty|invalid|ignored)'):
    options.parse([f'--{name}='])


@pytest.mark.parametrize(
  'part',
  [
    {'max_examples_per_split': 30},
    {'splits': ('train[:5]', 'test')},
    {'splits': ('test', 'train[:30%]')},
  ],
)
def test_the_mending_command_has_the_plan_of_the_dataset(lab, part):
  settings = Settings(**part, examples_per_shard=7)
  plan = lab.plan(settings)
  command = mending_command(plan, skips_bad=True)
  assert command.settings.check_hashes
  (config,) = command.configs
  again = make_plan(command.builder(config), command.settings)
  assert (again.fingerprint, again.splits) == (plan.fingerprint, plan.splits)
