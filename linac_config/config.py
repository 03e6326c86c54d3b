"""The configuration of the LINAC transform.

This module imports neither NumPy nor JAX.
"""

from __future__ import annotations

import dataclasses

from linac_config import checks, ranges

ACTIVATIONS = ('relu', 'tanh', 'gelu', 'silu', 'sin')
ARITHMETICS = ('canonical', 'xla')
KEY_DERIVATIONS = ('published', 'full')
PRECISIONS = ('float32', 'float64')

_MAX_ORDERED_PIXELS = 2**28

CIFAR10_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR10_STD = (0.2471, 0.2435, 0.2616)


@dataclasses.dataclass(frozen=True)
class KeylessConfig:
  """All settings of a LINAC transform except the seed.

  The plan of a dataset with a private key holds this config, which has no seed.
  To fit images, first make a `LinacConfig` of it with `with_seed`.

  The defaults are those of Rusu et al. (2022), appendix A, and of the published
  CIFAR-10 classifier.

  Attributes:
    key_derivation: The way a random key is made from the seed. `'published'`
      uses the seed's low 32 bits, like the published code under 32-bit JAX;
      `'full'` uses all 64 bits.
    num_layers: The number of hidden layers of the implicit neural
      representation.
    width: The number of units of each hidden layer.
    num_features: The number of frequencies of the positional encoding. Each one
      gives a sine and a cosine of both coordinates.
    use_bias: Whether hidden layers have a bias. The output layer always has
      one.
    activation: The activation function of hidden layers, one of `ACTIVATIONS`.
    representation_layer: The index of the hidden layer whose activations are
      the representation. The index `num_layers` stands for the output layer,
      the reconstruction.
    num_epochs: The number of passes over the pixels of an image.
    batch_size: The number of pixels of an optimisation step. It must divide
      height * width.
    learning_rate: Adam's initial step size, which decays along a cosine.
    b1: Adam's decay rate of the first moment.
    b2: Adam's decay rate of the second moment.
    eps: Adam's epsilon, which is added outside the square root.
    decay_alpha: The final learning rate as a fraction of the initial one.
    precision: The IEEE format of the fit's numbers, `'float32'` or `'float64'`;
      products never use TF32 or bfloat16. It decides the size of rounding
      errors, and `arithmetic` decides who gets the same bits.
    arithmetic: The order in which the fit adds and multiplies. With
      `'canonical'`, the order of every sum is fixed. So the same seed gives the
      same bits in either precision, on every CPU, and with any number of
      images per batch, threads and workers. It needs the activation ReLU, and a
      CPU or an NVIDIA GPU of compute capability 7.5 or newer; the kernel for
      GPUs does the same operations, but was not yet run on one. With
      `'xla'`, JAX's compiler chooses the order for the device. This works for
      all activations and on all devices, and JAX can differentiate it. In
      float64, the same seed then gives the same representation on any machine
      after rounding to float16, except for about one image in 100,000; stored
      as float32, 10 of 1,500 images differed between AVX-512 and SSE4.2. In
      float32, representations differ between kinds of machines and batch
      sizes.
    mean: The mean of each channel of images scaled to [0, 1]. None if images
      are normalised already.
    std: The standard deviation of each channel of images scaled to [0, 1]. None
      if images are normalised already.

  Raises:
    ValueError: if a field is out of range. The message names the field and its
      value.
  """

  key_derivation: str = 'published'
  num_layers: int = 5
  width: int = 256
  num_features: int = 5
  use_bias: bool = True
  activation: str = 'relu'
  representation_layer: int = 2
  num_epochs: int = 10
  batch_size: int = 32
  learning_rate: float = 1e-3
  b1: float = 0.9
  b2: float = 0.99
  eps: float = 1e-8
  decay_alpha: float = 1e-4
  precision: str = 'float32'
  arithmetic: str = 'canonical'
  mean: tuple[float, ...] | None = CIFAR10_MEAN
  std: tuple[float, ...] | None = CIFAR10_STD

  def __post_init__(self):
    for name in (
      'num_layers',
      'width',
      'num_features',
      'representation_layer',
      'num_epochs',
      'batch_size',
    ):
      self._set(name, checks.as_int(name, getattr(self, name)))
    for name in ('learning_rate', 'b1', 'b2', 'eps', 'decay_alpha'):
      self._set(name, checks.as_float(name, getattr(self, name)))
    for name in ('mean', 'std'):
      self._set(name, checks.as_constants(name, getattr(self, name)))
    self._check_ranges()

  def _set(self, name: str, value):
    object.__setattr__(self, name, value)

  def _check_ranges(self):
    if not isinstance(self.use_bias, bool):
      raise ValueError(
        f'use_bias={checks.shown(self.use_bias)} must be True or False.'
      )
    for name, choices in (
      ('key_derivation', KEY_DERIVATIONS),
      ('activation', ACTIVATIONS),
      ('precision', PRECISIONS),
      ('arithmetic', ARITHMETICS),
    ):
      value = getattr(self, name)
      if not isinstance(value, str) or value not in choices:
        raise ValueError(
          f'{name}={checks.shown(value)} is unknown; choose one of '
          f'{", ".join(choices)}.'
        )
    if self.arithmetic == 'canonical' and self.activation != 'relu':
      raise ValueError(
        f'activation={self.activation!r} is not possible with arithmetic='
        "'canonical', which has exact operations for relu only; pass "
        "arithmetic='xla' (+arithmetic_xla in a name), or activation='relu'."
      )
    ranges.check_sizes(self)
    ranges.check_floats(self)

  def with_seed(self, seed: int) -> LinacConfig:
    """Returns this config with a seed, ready for a fit.

    Raises:
      ValueError: if the seed does not fit in a signed 64-bit integer.
    """
    fields = {
      f.name: getattr(self, f.name) for f in dataclasses.fields(KeylessConfig)
    }
    return LinacConfig(**fields, seed=seed)

  def num_steps(self, num_pixels: int) -> int:
    """Returns the number of optimisation steps for an image.

    Args:
      num_pixels: The number of pixels of the image, height * width.

    Raises:
      ValueError: if the batch size does not divide the number of pixels, or if
        there are too many epochs to draw a pixel order for each.
    """
    if num_pixels % self.batch_size:
      raise ValueError(
        f'batch_size={self.batch_size} does not divide the {num_pixels} '
        'pixels of an image; choose a divisor of height * width.'
      )
    if self.num_epochs * num_pixels > _MAX_ORDERED_PIXELS:
      raise ValueError(
        f'num_epochs={self.num_epochs} is too many for images of {num_pixels} '
        f'pixels; at most {_MAX_ORDERED_PIXELS // num_pixels} are possible.'
      )
    return self.num_epochs * num_pixels // self.batch_size

  def flops(self, shape: tuple[int, int, int]) -> int:
    """Returns the floating-point operations of the products of one image's fit.

    There are three products per weight, pixel and epoch: one in the forward
    pass, and two in the backward pass, for the weights and the activations.
    CIFAR-10 and the default config give 16.5e9.

    Args:
      shape: The (height, width, channels) of the image.
    """
    height, width, channels = shape
    return 6 * self.num_weights(channels) * height * width * self.num_epochs

  def num_weights(self, channels: int) -> int:
    """Returns the number of a network's weights, not counting biases.

    Args:
      channels: The number of channels of the image.
    """
    return self.hidden_weights() + self.width * channels

  def hidden_weights(self) -> int:
    """Returns the number of weights between the inputs and the last layer."""
    return self.width * (
      4 * self.num_features + (self.num_layers - 1) * self.width
    )

  def pixel_constants(
    self, channels: int
  ) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Returns the mean and standard deviation of each channel of uint8 images.

    Raises:
      ValueError: if `mean` or `std` does not have one number per channel.
    """
    for name in ('mean', 'std'):
      constants = getattr(self, name)
      if constants is None or len(constants) != channels:
        raise ValueError(
          f'{name}={constants} does not fit uint8 images with {channels} '
          'channel(s); set one number per channel.'
        )
    return self.mean, self.std

  def representation_channels(self, image_channels: int) -> int:
    """Returns the number of channels of a representation.

    Args:
      image_channels: The number of channels of the image.
    """
    return (
      image_channels
      if self.representation_layer == self.num_layers
      else self.width
    )


@dataclasses.dataclass(frozen=True)
class LinacConfig(KeylessConfig):
  """All settings of a LINAC transform, including the seed.

  The other fields are described in `KeylessConfig`.

  Attributes:
    seed: The private key of the paper, a signed 64-bit integer. The default is
      the key of the published classifier.

  Raises:
    ValueError: if a field is out of range. The message names the field and its
      value.
  """

  seed: int = -2314326399425823309

  def __post_init__(self):
    super().__post_init__()
    self._set('seed', checks.as_int('seed', self.seed))
    if not -(2**63) <= self.seed < 2**63:
      raise ValueError(
        f'seed={checks.shown(self.seed)} does not fit in a signed 64-bit '
        'integer.'
      )

  def without_seed(self) -> KeylessConfig:
    """Returns the same config without its seed."""
    return KeylessConfig(
      **{
        f.name: getattr(self, f.name) for f in dataclasses.fields(KeylessConfig)
      }
    )
