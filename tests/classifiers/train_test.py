"""The command that trains says how, refuses bad options and keeps no key."""

import dataclasses
import json

import pytest

from classifiers import load_model, train
from linac_tfds import Cifar10Linac, LinacBuilderConfig
from tests.classifiers.conftest import TINY, CommandError


def test_the_command_line_trains_and_says_how(run_command, tmp_path, tiny_dir):
  line = run_command(
    train.main,
    f'--dataset=cifar10_linac/{TINY.name}',
    f'--data_dir={tiny_dir}',
    f'--out_dir={tmp_path}',
    '--inputs=image',
    '--epochs=1',
    '--batch_size=50',
    '--mixup=False',
  )
  assert line['steps'] == 2
  assert line['training']['mixup'] is False
  assert json.loads((tmp_path / 'run.json').read_text())['model'] == (
    dataclasses.asdict(load_model(line['model']).spec)
  )
  assert line['config_name'] == TINY.name


@pytest.mark.nightly
def test_a_private_key_is_in_no_file_and_no_line(
  run_command, tmp_path, tiny_dir, monkeypatch
):
  key = 8_765_432_109_876
  monkeypatch.setenv('LINAC_PRIVATE_KEY', str(key))
  fields = vars(TINY.linac) | {'key_derivation': 'full'}
  del fields['seed']
  config = LinacBuilderConfig(source='sample', private_name='mine', **fields)
  Cifar10Linac(config=config, data_dir=tiny_dir).download_and_prepare()
  line = run_command(
    train.main,
    '--dataset=cifar10_linac/mine',
    f'--data_dir={tiny_dir}',
    f'--out_dir={tmp_path}',
    '--epochs=1',
  )
  assert line['config_name'] == 'mine'
  files = [path for path in tmp_path.rglob('*') if path.is_file()]
  texts = [path.read_bytes() for path in files] + [json.dumps(line).encode()]
  forms = [str(key).encode(), key.to_bytes(8, 'little'), key.to_bytes(8, 'big')]
  assert len(texts) > 5
  assert not any(form in text for text in texts for form in forms)


@pytest.mark.parametrize(
  'options',
  [
    ['--epochs=x'],
    ['--mixup=1'],
    ['--epoch=1'],
    ['--preset=tpu'],
    ['--seed=-1'],
  ],
)
def test_bad_options_are_refused(run_command, tmp_path, options):
  with pytest.raises(CommandError, match=options[0].split('=')[0].lstrip('-')):
    run_command(
      train.main,
      '--dataset=cifar10_linac',
      f'--out_dir={tmp_path}/x',
      *options,
    )
  assert not list(tmp_path.iterdir())
