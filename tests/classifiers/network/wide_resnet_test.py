"""The network has the published size, strides and batch norm.

Its logits are compared in `import_published_test.py`.
"""

import jax
import numpy as np
import pytest

from classifiers import ModelSpec, WideResNet
from classifiers.network.wide_resnet import blocks_per_layer

X = np.random.default_rng(0).normal(size=(4, 8, 8, 3)).astype(np.float32)


def test_a_70_16_has_as_many_parameters_as_published():
  spec = ModelSpec(70, 16, 256, 10, 'representation', 'seed_1', '1.0.2')
  shapes = spec.shapes()
  sizes = [s.size for path, s in shapes.items() if path.startswith('params/')]
  assert sum(sizes) == 266_793_498


def test_strides_leave_a_quarter_of_the_grid_before_the_mean():
  _, captured = jax.eval_shape(
    lambda: WideResNet(depth=10, width=1).init_with_output(
      jax.random.key(0), X, capture_intermediates=True
    )
  )
  blocks = captured['intermediates']
  shapes = [
    blocks[f'resnet_lay_{i}_block_0']['__call__'][0].shape for i in range(3)
  ]
  assert shapes == [(4, 8, 8, 16), (4, 4, 4, 32), (4, 2, 2, 64)]


def test_training_moves_the_statistics_by_a_hundredth(random_model):
  model = random_model(in_channels=3)
  _, updated = jax.jit(
    lambda variables: model.spec.network.apply(
      variables, X, train=True, mutable='batch_stats'
    )
  )(model.variables)
  before, after = model.variables['batch_stats'], updated['batch_stats']
  name = 'resnet_lay_0_block_0'
  hidden = jax.lax.conv_general_dilated(
    X,
    model.variables['params']['init_conv']['kernel'],
    (1, 1),
    'SAME',
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
  )
  expected = 0.99 * before[name]['batchnorm_0']['mean'] + 0.01 * hidden.mean(
    (0, 1, 2)
  )
  np.testing.assert_allclose(
    after[name]['batchnorm_0']['mean'], expected, rtol=1e-4, atol=1e-7
  )


@pytest.mark.parametrize('depth', [4, 11, -2, 0])
def test_other_depths_are_refused(depth):
  with pytest.raises(ValueError, match=f'depth={depth}'):
    blocks_per_layer(depth)
