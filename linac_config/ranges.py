"""Checks of the ranges of a configuration's numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from linac_config import checks

if TYPE_CHECKING:
  from linac_config.config import KeylessConfig

# The largest values that are accepted. A larger one is a typing error, or needs
# more numbers than a host can draw and hold.
_LARGEST = {
  'num_layers': 100,
  'width': 2**16,
  'num_features': 64,
  'num_epochs': 2**20,
  'batch_size': 2**31,
}
_MAX_WEIGHTS = 2**28
# For each precision: the smallest and the largest number that a field may hold,
# and the precision's largest number below 1.
_LIMITS = {
  'float32': (2.0**-126, 2.0**127, 1 - 2.0**-24),
  'float64': (2.0**-1022, 2.0**1023, 1 - 2.0**-53),
}


def check_sizes(config: KeylessConfig) -> None:
  """Checks the sizes of the network and of its fit.

  Raises:
    ValueError: if a field is out of range. The message names it and its value.
  """
  for name, largest in _LARGEST.items():
    value = getattr(config, name)
    if not 1 <= value <= largest:
      raise ValueError(
        f'{name}={checks.shown(value)} must be between 1 and {largest}.'
      )
  weights = config.hidden_weights()
  if weights > _MAX_WEIGHTS:
    raise ValueError(
      f'width={config.width} and num_layers={config.num_layers} make {weights} '
      f'weights; at most {_MAX_WEIGHTS} are possible.'
    )
  if not 0 <= config.representation_layer <= config.num_layers:
    raise ValueError(
      f'representation_layer={checks.shown(config.representation_layer)} is '
      f'out of range; choose 0 to {config.num_layers - 1} for a hidden '
      f'layer or {config.num_layers} for the reconstruction.'
    )


def check_floats(config: KeylessConfig) -> None:
  """Checks the numbers of the optimiser and of the images.

  Raises:
    ValueError: if a field is out of range. The message names it and its value.
  """
  # A fit rounds these numbers to its precision. If it rounded eps to 0 or b1
  # to 1, it would compute NaN.
  smallest, largest, below_one = _LIMITS[config.precision]
  for name in ('learning_rate', 'eps'):
    if not smallest <= getattr(config, name) <= largest:
      raise ValueError(
        f'{name}={getattr(config, name)} must be positive, and between '
        f'{smallest} and {largest} in {config.precision}.'
      )
  for name in ('b1', 'b2'):
    if not 0 <= getattr(config, name) <= below_one:
      raise ValueError(
        f'{name}={getattr(config, name)} must be in [0, 1), in '
        f'{config.precision} at most {below_one}.'
      )
  if not 0 <= config.decay_alpha <= 1:
    raise ValueError(
      f'decay_alpha={config.decay_alpha} must be between 0 and 1.'
    )
  mean, std = config.mean, config.std
  if mean is not None and not 0 <= min(mean) <= max(mean) <= 1:
    raise ValueError(
      f'mean={mean} must be between 0 and 1; pass the mean of images '
      'scaled to [0, 1].'
    )
  # A smaller std would make normalised pixels infinite in float32.
  if std is not None and not 1e-38 <= min(std) <= max(std) <= 1:
    raise ValueError(
      f'std={std} must be between 1e-38 and 1; pass the standard '
      'deviation of images scaled to [0, 1].'
    )
