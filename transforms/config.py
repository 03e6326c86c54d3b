"""The configuration of the LINAC transform. Imports neither NumPy nor JAX."""

from __future__ import annotations

import dataclasses
import math
import numbers
import operator

ACTIVATIONS = ('relu', 'tanh', 'gelu', 'silu', 'sin')
KEY_DERIVATIONS = ('published', 'full')
PRECISIONS = ('float32', 'float64')

CIFAR10_MEAN = (0.4914, 0.4822, 0.4465)
CIFAR10_STD = (0.2471, 0.2435, 0.2616)


@dataclasses.dataclass(frozen=True)
class LinacConfig:
  """Everything that determines the bits of a LINAC representation.

  The defaults are those of Rusu et al. (2022), appendix A, and of the published
  CIFAR-10 classifier.

  Attributes:
    seed: the private key, a signed 64-bit integer.
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

  seed: int = -2314326399425823309
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
      'seed',
      'num_layers',
      'width',
      'num_features',
      'representation_layer',
      'num_epochs',
      'batch_size',
    ):
      self._set(name, _as_int(name, getattr(self, name)))
    for name in ('learning_rate', 'b1', 'b2', 'eps', 'decay_alpha'):
      self._set(name, _as_float(name, getattr(self, name)))
    for name in ('mean', 'std'):
      self._set(name, _as_constants(name, getattr(self, name)))
    self._check_ranges()

  def _set(self, name: str, value):
    object.__setattr__(self, name, value)

  def _check_ranges(self):
    if not -(2**63) <= self.seed < 2**63:
      raise ValueError(
        f'seed={self.seed} does not fit in a signed 64-bit integer.'
      )
    if not isinstance(self.use_bias, bool):
      raise ValueError(f'use_bias={self.use_bias!r} must be True or False.')
    for name, choices in (
      ('key_derivation', KEY_DERIVATIONS),
      ('activation', ACTIVATIONS),
      ('precision', PRECISIONS),
    ):
      if getattr(self, name) not in choices:
        raise ValueError(
          f'{name}={getattr(self, name)!r} is unknown; choose '
          f'one of {", ".join(choices)}.'
        )
    for name in (
      'num_layers',
      'width',
      'num_features',
      'num_epochs',
      'batch_size',
    ):
      if getattr(self, name) < 1:
        raise ValueError(f'{name}={getattr(self, name)} must be at least 1.')
    if not 0 <= self.representation_layer <= self.num_layers:
      raise ValueError(
        f'representation_layer={self.representation_layer} is out of range; '
        f'choose 0 to {self.num_layers - 1} for a hidden layer or '
        f'{self.num_layers} for the reconstruction.'
      )
    for name in ('learning_rate', 'eps'):
      if getattr(self, name) <= 0:
        raise ValueError(f'{name}={getattr(self, name)} must be positive.')
    for name in ('b1', 'b2'):
      if not 0 <= getattr(self, name) < 1:
        raise ValueError(f'{name}={getattr(self, name)} must be in [0, 1).')
    if not 0 <= self.decay_alpha <= 1:
      raise ValueError(
        f'decay_alpha={self.decay_alpha} must be between 0 and 1.'
      )
    if self.std is not None and min(self.std) <= 0:
      raise ValueError(f'std={self.std} must be positive.')

  def num_steps(self, num_pixels: int) -> int:
    """Optimisation steps for an image of `num_pixels` pixels.

    Raises:
      ValueError: if the pixel batch does not divide the image.
    """
    if num_pixels % self.batch_size:
      raise ValueError(
        f'batch_size={self.batch_size} does not divide the {num_pixels} '
        'pixels of an image; choose a divisor of height * width.'
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
    return self.width * (
      4 * self.num_features + (self.num_layers - 1) * self.width + channels
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


def _as_int(name: str, value) -> int:
  try:
    if isinstance(value, bool):
      raise TypeError
    return operator.index(value)
  except TypeError:
    raise ValueError(f'{name}={value!r} must be an integer.') from None


def _as_float(name: str, value) -> float:
  try:
    if isinstance(value, (bool, str)):
      raise TypeError
    result = float(value)
  except (TypeError, ValueError, OverflowError):
    raise ValueError(f'{name}={value!r} must be a number.') from None
  if not math.isfinite(result):
    raise ValueError(f'{name}={value!r} must be finite.')
  return result


def _as_constants(name: str, value) -> tuple[float, ...] | None:
  if value is None:
    return None
  if isinstance(value, numbers.Real):
    value = (value,)
  try:
    constants = tuple(_as_float(name, v) for v in value)
  except TypeError:
    constants = ()
  if not constants:
    raise ValueError(f'{name}={value!r} must hold one number per channel.')
  return constants
