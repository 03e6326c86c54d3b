"""Tiny datasets of representations, and classifiers of random numbers."""

import json

import flax
import numpy as np
import pytest

import linac_tfds
from classifiers import Model, ModelSpec
from linac_tfds import Cifar10Linac, LinacBuilderConfig

TINY = LinacBuilderConfig(
  source='sample',
  seed=3,
  num_layers=2,
  width=8,
  num_features=2,
  representation_layer=1,
  num_epochs=1,
  batch_size=128,
)


class CommandError(Exception):
  """An error that a command has printed; the exit status was 2."""


@pytest.fixture
def run_command(capsys):
  """A function that runs a command's `main` and returns what it prints.

  It raises CommandError if the command prints an error instead.
  """

  def run(main, *argv) -> dict:
    capsys.readouterr()  # Drops what fixtures have printed.
    status = main([str(arg) for arg in argv])
    out, err = capsys.readouterr()
    if status:
      assert (status, out) == (2, '')
      raise CommandError(err)
    return json.loads(out)

  return run


@pytest.fixture(scope='session')
def tiny_dir(tmp_path_factory):
  """A data folder with the sample and with representations of it."""
  folder = tmp_path_factory.mktemp('tiny')
  linac_tfds.Sample(data_dir=folder).download_and_prepare()
  Cifar10Linac(config=TINY, data_dir=folder).download_and_prepare()
  return folder


@pytest.fixture
def random_model():
  """A function that makes a WideResNet-10-1 with random weights."""

  def make(
    in_channels: int, inputs='image', config_name='seed_1', num_classes=10
  ) -> Model:
    version = str(Cifar10Linac.VERSION)
    spec = ModelSpec(
      10, 1, in_channels, num_classes, inputs, config_name, version
    )
    random = np.random.default_rng(0)
    variables = {
      path: np.ones(struct.shape, np.float32)
      if path.endswith(('scale', 'var'))
      else random.normal(0, 0.1, struct.shape).astype(np.float32)
      for path, struct in spec.shapes().items()
    }
    return Model(spec, flax.traverse_util.unflatten_dict(variables, sep='/'))

  return make
