"""Many seeds in one option, and in one run."""

import pytest
import tensorflow_datasets as tfds

from linac_tfds import Cifar10Linac
from pipelines import build
from pipelines.command_line import after_build, options, seed_ranges
from tests.pipelines.build_test import CONFIG

TINY = [option for option in CONFIG if not option.startswith('--seed=')]


@pytest.mark.parametrize(
  ('text', 'expected'),
  [
    ('7', [7]),
    ('0:3', [0, 1, 2]),
    ('7,42', [7, 42]),
    ('-2:1,42, 7', [-2, -1, 0, 42, 7]),
  ],
)
def test_seeds_are_listed_or_a_range(text, expected):
  assert seed_ranges.parse(text) == expected
  assert seed_ranges.parse(seed_ranges.show(expected)) == expected


def test_neighbours_are_shown_as_a_range():
  assert seed_ranges.show([*range(100), 205, 7, 8]) == '0:100,205,7:9'


@pytest.mark.parametrize(
  ('text', 'message'),
  [
    ('', "'' is neither"),
    ('1,', "'' is neither"),
    ('5:5', "'5:5' is neither"),
    ('9:0', "'9:0' is neither"),
    ('0:10:2', "'0:10:2' is neither"),
    (':10', "':10' is neither"),
    ('0.5', "'0.5' is neither"),
    ('1,0:3', 'names a seed twice'),
    ('0:501', 'are 501; one run builds up to 500'),
    (f'0:{10**30}', 'one run builds up to 500'),
  ],
)
def test_bad_texts_of_seeds_are_named(text, message):
  with pytest.raises(ValueError, match=message):
    seed_ranges.parse(text)


@pytest.mark.parametrize('other', ['--seed=1', '--config_name=mine'])
def test_seeds_are_not_given_twice(other):
  with pytest.raises(ValueError, match=f'seeds=.* or {other[2:6]}'):
    options.parse(['--seeds=0:2', other])


def test_a_seed_is_one_of_the_configs():
  command = options.parse(['--seeds=3,0:2', '--precision=float64'])
  names = [config.name for config in command.configs]
  assert names == ['seed_3_f64', 'seed_0_f64', 'seed_1_f64']


def test_two_seeds_on_two_workers_and_one_that_cannot_be_built(
  sample_dir, capsys, all_cores
):
  argv = [f'--data_dir={sample_dir}', '--seeds=0:3', *TINY]
  name = options.parse(argv).configs[1].name
  foreign = sample_dir / 'cifar10_linac' / name / str(Cifar10Linac.VERSION)
  foreign.mkdir(parents=True)
  (foreign / 'thesis.txt').write_text('mine')

  assert build.main(argv) == 1
  output, errors = capsys.readouterr()
  assert '240 (2 x 120: train 100, test 20)' in output
  assert '240 fitted' in output
  assert '--seeds=0:3' in output
  assert '240/240' in errors
  assert 'error: 1 of 3 datasets cannot be built' in errors
  assert 'thesis.txt' in errors
  assert len(output.splitlines()) < 20
  line = output.strip().splitlines()[-1].strip()
  namespace = {'tfds': tfds}
  exec(line, namespace)
  assert len(namespace['ds']) == 100
  found = sorted(sample_dir.glob('cifar10_linac/*/*/dataset_info.json'))
  assert [path.parts[-3][:13] for path in found] == [
    'sample_seed_0',
    'sample_seed_2',
  ]

  assert build.main(argv) == 1
  output, errors = capsys.readouterr()
  assert '2 datasets: all there already' in output
  assert 'thesis.txt' in errors


def test_a_source_that_is_not_there_is_told_once(tmp_path, monkeypatch, capsys):
  monkeypatch.setattr(tfds.core.constants, 'DATA_DIR', str(tmp_path / 'none'))
  # A port on which nobody listens.
  monkeypatch.setenv('https_proxy', 'http://127.0.0.1:9')
  argv = [f'--data_dir={tmp_path}', '--source=mnist', '--seeds=0:3']
  assert build.main([*argv, '--mean=0.1', '--std=0.3', '--batch_size=98']) == 1
  (line, _) = capsys.readouterr().err.splitlines()
  assert line.startswith('error: The source mnist is not prepared')


def test_reasons_of_many_datasets_are_short(capsys):
  reasons = '\n'.join(f"'train_{i}': its fit diverged" for i in range(10))
  failures = {'seed_1': f'{reasons}\n10 of 20 are bad', 'seed_7': 'No room.'}
  after_build.print_failures(failures, 100)
  assert capsys.readouterr().err.splitlines() == [
    'error: 2 of 100 datasets cannot be built:',
    "  seed_1: 'train_0': its fit diverged",
    "    'train_9': its fit diverged",
    '    10 of 20 are bad',
    '  seed_7: No room.',
  ]
  after_build.print_failures({}, 100)
  after_build.print_failures({'seed_7': 'No room.'}, 1)
  assert capsys.readouterr().err == 'error: No room.\n'
