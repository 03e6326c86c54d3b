"""Options from a TOML file, together with those of the command line."""

import pytest
from apache_beam.options import pipeline_options

from pipelines.command_line import options
from pipelines.runners.find_runner import find_runner
from transforms import LinacConfig


@pytest.fixture
def parse(tmp_path):
  def parse(text, *argv):
    path = tmp_path / 'build.toml'
    path.write_text(text)
    return options.parse([f'--config={path}', *argv])

  return parse


def test_keys_are_options(parse):
  command = parse("""
    source = 'sample'
    seed = -7
    learning_rate = 2e-3
    use_bias = false
    mean = [0.5, 0.5, 0.5]
    splits = ['train', 'test']
    max_examples_per_split = 5
    check_hashes = true
    overwrite = false
  """)
  (config,) = command.configs
  assert config.source == 'sample'
  assert config.linac == LinacConfig(
    seed=-7, learning_rate=2e-3, use_bias=False, mean=(0.5, 0.5, 0.5)
  )
  assert command.settings.splits == ('train', 'test')
  assert command.settings.max_examples_per_split == 5
  assert command.settings.check_hashes
  assert not command.settings.overwrite


def test_the_command_line_wins(parse):
  command = parse('seed = 1\nwidth = 64', '--seed=2')
  assert command.configs[0].name == 'seed_2+width_64'


@pytest.mark.parametrize(
  ('text', 'option', 'names', 'key_file'),
  [
    ("seeds = '0:3'", '--seed=2', ['seed_2'], None),
    ('seed = 1', '--seeds=4,5', ['seed_4', 'seed_5'], None),
    ('seed = 1', '--config_name=mine', ['mine'], None),
    ("config_name = 'x'\nprivate_key_file = 'y'", '--seed=2', ['seed_2'], None),
    ("private_key_file = 'y'", '--config_name=mine', ['mine'], 'y'),
  ],
)
def test_a_key_on_the_command_line_wins_over_other_ways_to_tell_it(
  parse, text, option, names, key_file
):
  command = parse(f'{text}\nwidth = 256', option)
  assert [config.name for config in command.configs] == names
  assert command.settings.private_key_file == key_file


def test_options_of_a_runner(parse):
  command = parse("""
    runner = 'DataflowRunner'
    job_name = 'linac'
    experiments = ['a', 'b']
    streaming = true
  """)
  flags = command.beam_flags
  view = find_runner(command.runner, flags).options().view_as
  assert view(pipeline_options.GoogleCloudOptions).job_name == 'linac'
  assert view(pipeline_options.DebugOptions).experiments[:2] == ['a', 'b']
  assert view(pipeline_options.StandardOptions).streaming


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('sed = 1', r"build.toml: 'sed' is no option. Did you mean seed\?"),
    ('strict_devices = true', "build.toml: 'strict_devices' is no option"),
    ('job_nam = 1', 'Did you mean job_name'),
    ("config = 'other.toml'", "'config' is no option"),
    ('[transform]\nseed = 1', "'transform' is no option"),
    ('[seed]\nvalue = 1', "'seed' is a table"),
    ('seed = ', 'build.toml cannot be read: Invalid value'),
    ('overwrite = 1', 'overwrite=1 must be true or false'),
    ('seed = 1.5', "seed='1.5' is invalid"),
  ],
)
def test_errors_in_a_file_are_named(parse, text, message):
  with pytest.raises(ValueError, match=message):
    parse(text)
