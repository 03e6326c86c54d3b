"""The WideResNet of the published LINAC-defended classifier, in Flax.

The architecture is that of Zagoruyko and Komodakis, "Wide Residual Networks"
(2016), in the variant of Gowal et al. (2020) that Rusu et al. (2022) use. Its
blocks apply batch norm and the activation before each convolution. The
activation is swish, and batch norm has no offset. The first block of each of
the three layers projects its activated input on the shortcut. The parameters
have the same names as in the published file.
"""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

# The published network was written in Haiku, whose default epsilon is 1e-5.
_BATCH_NORM = {'momentum': 0.99, 'epsilon': 1e-5, 'use_bias': False}


class _Block(nn.Module):
  """A residual block: two 3x3 convolutions and a shortcut around them."""

  filters: int
  stride: int
  projects: bool

  @nn.compact
  def __call__(self, x, train: bool):
    norm = lambda i: nn.BatchNorm(  # noqa: E731
      use_running_average=not train, name=f'batchnorm_{i}', **_BATCH_NORM
    )
    conv = lambda i, stride: nn.Conv(  # noqa: E731
      self.filters, (3, 3), stride, use_bias=False, name=f'conv_{i}'
    )
    activated = nn.swish(norm(0)(x))
    shortcut = x
    if self.projects:
      shortcut = nn.Conv(
        self.filters, (1, 1), self.stride, use_bias=False, name='shortcut'
      )(activated)
    x = conv(0, self.stride)(activated)
    x = conv(1, 1)(nn.swish(norm(1)(x)))
    return x + shortcut


class WideResNet(nn.Module):
  """A WideResNet for images, or representations, of about 32x32 pixels.

  Attributes:
    depth: The number of convolutions, with those on the shortcuts. It must be
      6n + 4.
    width: The factor by which the three layers' 16, 32 and 64 filters are
      multiplied.
    num_classes: The number of logits.

  Raises:
    ValueError: If the depth is not 6n + 4. It is raised when the network is
      called.
  """

  depth: int
  width: int
  num_classes: int = 10

  @nn.compact
  def __call__(
    self, x: Float[Array, 'n height width channels'], *, train: bool = False
  ) -> Float[Array, 'n classes']:
    """Returns the logits.

    Args:
      x: The classifier's input.
      train: Whether batch norm normalises by the statistics of this batch and
        updates the collection `batch_stats` with them.
    """
    x = nn.Conv(16, (3, 3), use_bias=False, name='init_conv')(x)
    for layer in range(3):
      for block in range(blocks_per_layer(self.depth)):
        x = _Block(
          filters=self.width * 16 * 2**layer,
          stride=2 if layer and not block else 1,
          projects=not block,
          name=f'resnet_lay_{layer}_block_{block}',
        )(x, train)
    norm = nn.BatchNorm(
      use_running_average=not train, name='batchnorm', **_BATCH_NORM
    )
    x = jnp.mean(nn.swish(norm(x)), axis=(1, 2))
    return nn.Dense(self.num_classes, name='logits')(x)


def blocks_per_layer(depth: int) -> int:
  """Returns the number of blocks in each of the three layers.

  Raises:
    ValueError: If the depth is not 6n + 4 with a positive n.
  """
  if depth < 10 or (depth - 4) % 6:
    raise ValueError(f'depth={depth} must be 6n + 4: 10, 16, 22, 28, ...')
  return (depth - 4) // 6
