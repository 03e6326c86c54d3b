"""The configuration of the LINAC transform. Imports neither NumPy nor JAX."""

from __future__ import annotations

import dataclasses

from linac_config import checks

ACTIVATIONS = ('relu', 'tanh', 'gelu', 'silu', 'sin')
KEY_DERIVATIONS = ('published', 'full')
PRECISIONS = ('float32', 'float64')

# Refused beyond: a typing error, or more than a host can draw and hold.
_LARGEST = {
  'num_layers': 100,
  'width': 2**16,
  'num_features': 64,
  'num_epochs': 2**20,
  'batch_size': 2**31,
}
_MAX_WEIGHTS = _MAX_ORDERED_PIXELS = 2**28
# Smallest and largest numbers that a precision keeps, and its last below 1.
_LIMITS = {
  'float32': (2.0**-126, 2.0**127, 1 - 2.0**-24),
  'float64': (2.0**-1022, 2.0**1023, 1 - 2.0**-53),
}

CIFAR10_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR10_STD = (0.2471, 0.2435, 0.2616)


@dataclasses.dataclass(frozen=True)
class KeylessConfig:
  """Everything but the seed that determines a LINAC representation.

  A plan under a private key holds this and no seed. Nothing can be fitted with
  it until `with_seed` makes a `LinacConfig` of it.

  The defaults are those of Rusu et al. (2022), appendix A, and of the published
  CIFAR-10 classifier.

  Attributes:
    key_derivation: `'published'` keeps the seed's low 32 bits, as the published
      code does under 32-bit JAX; `'full'` uses all 64.
    num_layers: number of hidden layers of the implicit neural representation.
    width: units of each hidden layer.
    num_features: frequencies of the positional encoding; each gives a sine and
      a cosine of both coordinates.
    use_bias: whether hidden layers have a bias. The output layer always has.
    activation: one of `ACTIVATIONS`.
    representation_layer: index of the hidden layer whose activations are the
      representation; `num_layers` stands for the output, the reconstruction.
    num_epochs: passes over the pixels of an image.
    batch_size: pixels per optimisation step; divides height * width.
    learning_rate: Adam's initial step size, decayed along a cosine.
    b1: Adam's decay rate of the first moment.
    b2: Adam's decay rate of the second moment.
    eps: Adam's epsilon, added outside the square root.
    decay_alpha: final learning rate as a fraction of the initial one.
    precision: `'float32'` (IEEE products, never TF32 or bfloat16) or
      `'float64'`, in which the same seed gives the same bits on any machine.
    mean: per-channel mean of images scaled to [0, 1], or None.
    std: per-channel standard deviation of images scaled to [0, 1], or None.

  Raises:
    ValueError: naming the field and its value, if one is out of range.
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
    ):
      value = getattr(self, name)
      if not isinstance(value, str) or value not in choices:
        raise ValueError(
          f'{name}={checks.shown(value)} is unknown; choose one of '
          f'{", ".join(choices)}.'
        )
    self._check_sizes()
    self._check_floats()

  def _check_sizes(self):
    for name, largest in _LARGEST.items():
      value = getattr(self, name)
      if not 1 <= value <= largest:
        raise ValueError(
          f'{name}={checks.shown(value)} must be between 1 and {largest}.'
        )
    weights = self._hidden_weights()
    if weights > _MAX_WEIGHTS:
      raise ValueError(
        f'width={self.width} and num_layers={self.num_layers} make {weights} '
        f'weights; at most {_MAX_WEIGHTS} are possible.'
      )
    if not 0 <= self.representation_layer <= self.num_layers:
      raise ValueError(
        f'representation_layer={checks.shown(self.representation_layer)} is '
        f'out of range; choose 0 to {self.num_layers - 1} for a hidden '
        f'layer or {self.num_layers} for the reconstruction.'
      )

  def _check_floats(self):
    # A fit rounds them to its precision: eps to 0 or b1 to 1 makes NaN.
    smallest, largest, below_one = _LIMITS[self.precision]
    for name in ('learning_rate', 'eps'):
      if not smallest <= getattr(self, name) <= largest:
        raise ValueError(
          f'{name}={getattr(self, name)} must be positive, and between '
          f'{smallest} and {largest} in {self.precision}.'
        )
    for name in ('b1', 'b2'):
      if not 0 <= getattr(self, name) <= below_one:
        raise ValueError(
          f'{name}={getattr(self, name)} must be in [0, 1), in '
          f'{self.precision} at most {below_one}.'
        )
    if not 0 <= self.decay_alpha <= 1:
      raise ValueError(
        f'decay_alpha={self.decay_alpha} must be between 0 and 1.'
      )
    if self.mean is not None and not 0 <= min(self.mean) <= max(self.mean) <= 1:
      raise ValueError(f'mean={self.mean} must be of images scaled to [0, 1].')
    # No smaller, so that normalised pixels are finite in float32.
    if (
      self.std is not None and not 1e-38 <= min(self.std) <= max(self.std) <= 1
    ):
      raise ValueError(
        f'std={self.std} must be positive, of images scaled to [0, 1].'
      )

  def with_seed(self, seed: int) -> LinacConfig:
    """The config of a transform under a seed.

    Raises:
      ValueError: if the seed does not fit in a signed 64-bit integer.
    """
    fields = {
      f.name: getattr(self, f.name) for f in dataclasses.fields(KeylessConfig)
    }
    return LinacConfig(**fields, seed=seed)

  def num_steps(self, num_pixels: int) -> int:
    """Optimisation steps for an image of `num_pixels` pixels.

    Raises:
      ValueError: if the pixel batch does not divide the image, or there are
        too many epochs to draw the pixel orders of.
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
    """Floating-point operations of the products of one image's fit.

    Three products per weight, pixel and epoch: forward, and backward to the
    weights and to the activations. 16.5e9 for CIFAR-10 and the defaults.
    """
    height, width, channels = shape
    return 6 * self.num_weights(channels) * height * width * self.num_epochs

  def num_weights(self, channels: int) -> int:
    """Weights of a network for images with `channels`, biases not counted."""
    return self._hidden_weights() + self.width * channels

  def _hidden_weights(self) -> int:
    return self.width * (
      4 * self.num_features + (self.num_layers - 1) * self.width
    )

  def pixel_constants(
    self, channels: int
  ) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel of uint8 images.

    Raises:
      ValueError: if the config does not hold one of each per channel.
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
    """Channels of a representation of images with `image_channels`."""
    return (
      image_channels
      if self.representation_layer == self.num_layers
      else self.width
    )


@dataclasses.dataclass(frozen=True)
class LinacConfig(KeylessConfig):
  """Everything that determines the bits of a LINAC representation.

  Attributes:
    seed: The private key of the paper, a signed 64-bit integer. The default is
      that of the published classifier. The other fields are those of
      `KeylessConfig`.

  Raises:
    ValueError: naming the field and its value, if one is out of range.
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
    """The same config less its seed."""
    return KeylessConfig(
      **{
        f.name: getattr(self, f.name) for f in dataclasses.fields(KeylessConfig)
      }
    )
