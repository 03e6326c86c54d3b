"""The names and shapes in the published format are checked and converted."""

import copy
import json

import numpy as np
import pytest

from classifiers.network.published import convert, haiku_shapes, infer_spec
from classifiers.network.unpickle import load_params_and_state
from tests.conftest import REPOSITORY

GOLDEN = REPOSITORY / 'tests' / 'golden'


@pytest.fixture(scope='module')
def haiku():
  """The parameters and state of the golden WideResNet-10-1.

  Tests share them and must not change them.
  """
  return load_params_and_state(GOLDEN / 'wrn10_1_haiku.npy')


def test_a_70_16_has_the_published_names_and_shapes(haiku):
  golden = json.loads((GOLDEN / 'wrn70_16_shapes.json').read_text())
  params, state = (
    {
      module: {
        # A broadcast array takes no memory, however large it is.
        entry: np.broadcast_to(np.float32(1), shape)
        for entry, shape in entries.items()
      }
      for module, entries in golden[what].items()
    }
    for what in ('params', 'state')
  )
  spec = infer_spec(params, 'seed_1')
  assert (spec.depth, spec.width, spec.in_channels) == (70, 16, 256)
  expected = haiku_shapes(spec)
  for what, found in (('params', params), ('state', state)):
    shapes = {
      module: {entry: array.shape for entry, array in entries.items()}
      for module, entries in found.items()
    }
    assert shapes == expected[what]


def test_missing_surplus_and_misshapen_entries_are_listed(haiku):
  params, state = copy.deepcopy(haiku)
  root = 'wide_res_net/~/'
  del params[root + 'logits']['w']
  params['other'] = {'w': np.zeros(3, np.float32)}
  shortcut = params[root + 'resnet_lay_1_block_0/~/shortcut']
  shortcut['w'] = shortcut['w'][..., :5]
  del state[root + 'batchnorm/~/mean_ema']
  with pytest.raises(ValueError, match='6 entries') as error:
    convert(params, state, 'seed_1')
  lines = str(error.value).splitlines()[1:]
  assert [line.split()[0] for line in lines] == (
    ['missing'] * 4 + ['surplus'] + ['misshapen']
  )
  assert 'logits' in lines[0]
  assert 'other' in lines[4]
  assert '(1, 1, 16, 5)' in lines[5]


@pytest.mark.parametrize(
  'value', [np.nan, np.inf, 1 + 2j, 'text', np.datetime64(0, 's')]
)
def test_numbers_must_be_finite(haiku, value):
  params, state = copy.deepcopy(haiku)
  params['wide_res_net/~/logits']['b'] = np.array([value] * 10)
  with pytest.raises(
    ValueError, match='not finite params wide_res_net/~/logits'
  ):
    convert(params, state, 'seed_1')


def test_other_networks_are_refused(haiku):
  params, state = haiku
  with pytest.raises(ValueError, match='init_conv w is missing'):
    convert(
      {k: v for k, v in params.items() if 'init_conv' not in k}, state, 'seed_1'
    )
  with pytest.raises(ValueError, match='conv_0 w is missing'):
    convert({'linear': {'w': np.zeros(3)}}, {}, 'seed_1')
