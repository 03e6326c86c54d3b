import dataclasses

import pytest
from apache_beam.options import pipeline_options

from pipelines.command_line import arguments, options
from pipelines.command_line.command import Command
from pipelines.plan.settings import Settings
from pipelines.runners.find_runner import find_runner
from transforms import LinacConfig

# A folder name just has room for all of them.
NON_DEFAULT = {
  'seed': '-7',
  'key_derivation': 'full',
  'num_layers': '6',
  'width': '64',
  'num_features': '4',
  'use_bias': 'False',
  'activation': 'tanh',
  'representation_layer': '1',
  'num_epochs': '3',
  'batch_size': '16',
  'learning_rate': '2e-3',
  'b1': '0.8',
  'b2': '0.9',
  'eps': '0.1',
  'decay_alpha': '0.5',
  'precision': 'float64',
  'arithmetic': 'xla',
  'mean': '0.5,0.5,0.5',
  'std': '0.5,0.5,0.5',
}


def test_defaults():
  command = options.parse([])
  assert command.configs[0].name == f'seed_{LinacConfig().seed}'
  assert command == Command()
  assert command.settings == Settings()
  assert (command.runner, command.beam_flags) == (None, ())


@pytest.mark.parametrize('joined', [True, False])
def test_every_field_of_the_config_is_an_option(joined):
  assert set(NON_DEFAULT) == {f.name for f in dataclasses.fields(LinacConfig)}
  argv = []
  for name, value in NON_DEFAULT.items():
    argv += [f'--{name}={value}'] if joined else [f'--{name}', value]
  assert options.parse(argv).configs[0].name == (
    'seed_-7_f64+key_derivation_full+num_layers_6+width_64+num_features_4'
    '+use_bias_False+activation_tanh+representation_layer_1+num_epochs_3'
    '+batch_size_16+learning_rate_0.002+b1_0.8+b2_0.9+eps_0.1'
    '+decay_alpha_0.5+arithmetic_xla+mean_0.5_0.5_0.5+std_0.5_0.5_0.5'
  )


def test_settings():
  command = options.parse(
    [
      '--source=sample',
      '--splits=train, test',
      '--max_examples_per_split=5',
      '--examples_per_shard=2',
      '--storage_dtype=float32',
      '--images_per_batch=4',
      '--file_format=array_record',
      '--overwrite',
      '--direct_num_workers=1',
    ]
  )
  assert command.settings == Settings(
    splits=('train', 'test'),
    max_examples_per_split=5,
    examples_per_shard=2,
    storage_dtype='float32',
    images_per_batch=4,
    overwrite=True,
    direct_num_workers=1,
    file_format='array_record',
  )


def test_arithmetic_is_an_option_also_of_a_file(tmp_path, capsys):
  path = tmp_path / 'build.toml'
  path.write_text("arithmetic = 'xla'")
  found = options.parse([f'--config={path}', '--activation=tanh']).transform
  assert found.arithmetic == 'xla'
  replaced = options.parse([f'--config={path}', '--arithmetic=canonical'])
  assert replaced.transform.arithmetic == 'canonical'
  with pytest.raises(ValueError, match="pass arithmetic='xla'"):
    options.parse(['--activation=tanh'])
  arguments.build_parser().print_help()
  assert '--arithmetic X' in capsys.readouterr().out


def test_beam_options_are_passed_on():
  command = options.parse(
    ['--runner=DataflowRunner', '--seed=1', '--job_name=linac']
  )
  assert command.runner == 'DataflowRunner'
  runner = find_runner(command.runner, command.beam_flags)
  view = runner.options().view_as(pipeline_options.GoogleCloudOptions)
  assert view.job_name == 'linac'


def test_options_of_dask_are_known_once_it_is_asked_for():
  pytest.importorskip('dask')
  argv = ['--runner=DaskRunner', '--dask_scheduler_file=scheduler.json']
  command = options.parse(argv)
  given = find_runner(command.runner, command.beam_flags).options()
  assert given.get_all_options()['scheduler_file'] == 'scheduler.json'


@pytest.mark.parametrize(
  ('argv', 'message'),
  [
    (['--sed=3'], 'unknown option --sed. Did you mean --seed'),
    (['--job_nam=x'], 'Did you mean --job_name'),
    (['extra'], 'unknown option extra'),
    (['--max_examples_per_split=x'], 'max_examples_per_split.*invalid int'),
    (['--data_dir='], 'data_dir is empty'),
    (['--splits='], 'splits is empty'),
    (['--autoscaling_algorithm=x'], 'autoscaling_algorithm.*invalid choice'),
    (['--seed=x'], "seed='x'"),
    (['--seed=1.5'], "seed='1.5'"),
    (['--source=../x'], "source='../x'"),
    (['--max_examples_per_split=0'], 'max_examples_per_split=0'),
    (['--config='], 'config is empty'),
    (['--config=/nowhere.toml'], 'config=/nowhere.toml cannot be read'),
  ],
)
def test_bad_options_are_named(argv, message):
  with pytest.raises(ValueError, match=message):
    options.parse(argv)


def test_no_option_of_ours_is_beams():
  """Checks names, since a clash would break Beam's parsing on workers."""
  shared_on_purpose = {'--runner', '--direct_num_workers', '--help', '-h'}
  parser = arguments.beam_parser()
  ours = set(arguments.build_parser()._option_string_actions)
  ours -= shared_on_purpose
  assert not ours & set(parser._option_string_actions)


def test_help_has_our_options_first_and_beams_after(capsys):
  with pytest.raises(SystemExit) as exit_:
    options.parse(['--help'])
  assert exit_.value.code == 0
  text = capsys.readouterr().out
  places = [
    text.index(part)
    for part in ('--data_dir', '--learning_rate', 'exit status:', '--job_name')
  ]
  assert places == sorted(places)
  assert "options of Beam's runners:" in text


def test_a_build_waits_for_one_dataset_only():
  """Two builds could otherwise wait for datasets of each other, for ever."""
  assert options.parse(['--wait', '--seed=1']).wait
  with pytest.raises(ValueError, match="wait is for one .* seeds='0:3'"):
    options.parse(['--wait', '--seeds=0:3'])
