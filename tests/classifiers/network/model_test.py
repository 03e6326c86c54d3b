"""Files of classifiers are read back exactly, or refused with a reason."""

import dataclasses
import json

import jax
import numpy as np
import pytest
import safetensors.numpy

from classifiers import Model, ModelSpec, load_model, save_model
from classifiers.defence.classifier import transform_of
from linac_config import LinacConfig


def test_a_saved_model_is_read_back(tmp_path, random_model):
  model = random_model(in_channels=3)
  path = tmp_path / 'model.safetensors'
  save_model(path, model)
  loaded = load_model(path)
  assert loaded.spec == model.spec
  jax.tree.map(np.testing.assert_array_equal, loaded.variables, model.variables)
  assert [p.name for p in tmp_path.iterdir()] == ['model.safetensors']


def test_a_file_that_names_no_version_was_trained_on_one_before_2_0_0(
  tmp_path, random_model
):
  model = random_model(8, 'representation', 'seed_3+activation_tanh')
  path = tmp_path / 'model.safetensors'
  save_model(path, model)
  with safetensors.safe_open(path, framework='np') as file:
    description = json.loads(file.metadata()['classifier'])
  del description['dataset_version']
  tensors = safetensors.numpy.load_file(path)
  metadata = {'classifier': json.dumps(description)}
  safetensors.numpy.save_file(tensors, path, metadata)
  assert transform_of(load_model(path)) == LinacConfig(
    seed=3, activation='tanh', arithmetic='xla'
  )


def test_a_model_that_does_not_fit_its_description_is_refused(
  tmp_path, random_model
):
  model = random_model(in_channels=3)
  path = tmp_path / 'model.safetensors'
  spec = dataclasses.replace(model.spec, in_channels=4, num_classes=7)
  save_model(path, Model(spec, model.variables))
  with pytest.raises(ValueError, match='misshapen params/init_conv') as error:
    load_model(path)
  assert 'misshapen params/logits/bias' in str(error.value)


def test_a_description_alone_makes_no_network(tmp_path, random_model):
  path = tmp_path / 'model.safetensors'
  spec = dataclasses.asdict(random_model(3).spec) | {'depth': 994}
  text = {'classifier': json.dumps(spec)}
  safetensors.numpy.save_file({'a': np.zeros(3)}, path, text)
  with pytest.raises(ValueError, match='1 arrays have no depth=994'):
    load_model(path)


@pytest.mark.parametrize('metadata', [None, {}, {'depth': 10}, 3, {'x': 1}])
def test_other_files_are_refused(tmp_path, metadata):
  path = tmp_path / 'model.safetensors'
  text = None if metadata is None else {'classifier': json.dumps(metadata)}
  safetensors.numpy.save_file({'a': np.zeros(3)}, path, text)
  with pytest.raises(ValueError, match='no classifier'):
    load_model(path)
  path.write_bytes(b'text')
  with pytest.raises(ValueError, match='no classifier'):
    load_model(path)


def test_a_model_that_is_not_finite_is_neither_written_nor_read(
  tmp_path, random_model
):
  path = tmp_path / 'model.safetensors'
  model = random_model(in_channels=3)
  save_model(path, model)
  model.variables['params']['logits']['bias'][3] = np.nan
  with pytest.raises(ValueError, match='params/logits/bias.*not finite'):
    save_model(path, model)
  with safetensors.safe_open(path, framework='np') as file:
    metadata = file.metadata()
  tensors = safetensors.numpy.load_file(path)
  tensors['batch_stats/batchnorm/var'][0] = np.inf
  safetensors.numpy.save_file(tensors, path, metadata)
  with pytest.raises(ValueError, match='batchnorm/var.*not finite'):
    load_model(path)


def test_files_that_the_library_does_not_expect_are_refused(tmp_path):
  path = tmp_path / 'model.safetensors'
  tensors = {'a': np.zeros(3)}
  deep = '[' * 100_000 + ']' * 100_000
  safetensors.numpy.save_file(tensors, path, {'classifier': deep})
  with pytest.raises(ValueError, match='no classifier'):
    load_model(path)
  spec = json.dumps(vars(ModelSpec(10, 1, 3, 10, 'image', 'seed_1', '1.0.2')))
  safetensors.numpy.save_file(
    {'a': np.zeros(3, np.uint8)}, path, {'classifier': spec}
  )
  path.write_bytes(path.read_bytes().replace(b'"U8"', b'"F8_E5M2"', 1))
  header = path.read_bytes()
  size = int.from_bytes(header[:8], 'little') + len('F8_E5M2') - len('U8')
  path.write_bytes(size.to_bytes(8, 'little') + header[8:])
  with pytest.raises(ValueError, match='no classifier'):
    load_model(path)
  with pytest.raises(OSError, match='is a folder'):
    load_model(tmp_path)


@pytest.mark.parametrize(
  'field',
  [
    {'depth': 12},
    {'width': 0},
    {'in_channels': '3'},
    {'num_classes': True},
    {'inputs': 'pixels'},
    {'config_name': ''},
    {'dataset_version': 'x'},
    {'dataset_version': None},
  ],
)
def test_a_spec_names_the_field_that_is_wrong(field):
  valid = ModelSpec(10, 1, 3, 10, 'image', 'seed_1', '1.0.2')
  (name,) = field
  with pytest.raises(ValueError, match=f'{name}='):
    dataclasses.replace(valid, **field)
