"""The settings of a training run, and presets of them."""

from __future__ import annotations

import dataclasses

from linac_config import checks


@dataclasses.dataclass(frozen=True)
class TrainConfig:
  """The settings that determine how a classifier is trained.

  Attributes:
    depth: The depth of the WideResNet.
    width: The width factor of the WideResNet.
    epochs: The number of passes over the training split.
    batch_size: The number of examples per step. Examples that do not fill a
      last batch are left out of an epoch.
    learning_rate: The largest learning rate of AdamW. The rate rises to it
      linearly over a tenth of the steps and then falls along a cosine.
    weight_decay: The weight decay of AdamW, which applies to kernels only.
    ema_decay: The decay rate of the moving average of the weights. The averaged
      weights are the result of the training.
    mixup: Whether examples are mixed in pairs. Crops and mirror images are not
      offered; docs/classifier.md says why.
    seed: The seed of the initial weights, the order of the examples and mixup.
      It has nothing to do with the transform's key.

  Raises:
    ValueError: If a field is out of range. The message names the field and its
      value.
  """

  depth: int = 10
  width: int = 1
  epochs: int = 12
  batch_size: int = 50
  learning_rate: float = 3e-3
  weight_decay: float = 1e-2
  ema_decay: float = 0.99
  mixup: bool = True
  seed: int = 0

  def __post_init__(self):
    for name in ('learning_rate', 'weight_decay', 'ema_decay'):
      checks.as_float(name, getattr(self, name))
    for name in ('epochs', 'batch_size', 'learning_rate'):
      if not getattr(self, name) > 0:
        raise ValueError(f'{name}={getattr(self, name)} must be positive.')
    if not self.weight_decay >= 0:
      raise ValueError(
        f'weight_decay={self.weight_decay} must not be negative.'
      )
    if not 0 <= self.ema_decay < 1:
      raise ValueError(
        f'ema_decay={self.ema_decay} must be at least 0 and less than 1.'
      )
    if not 0 <= self.seed < 2**32:
      raise ValueError(f'seed={self.seed} must be between 0 and 2**32 - 1.')


# `cpu` trains on 2,000 images in minutes; `gpu` is meant for all of CIFAR-10.
PRESETS = {
  'cpu': TrainConfig(),
  'gpu': TrainConfig(
    depth=28,
    width=10,
    epochs=100,
    batch_size=256,
    learning_rate=1e-3,
    weight_decay=5e-2,
    ema_decay=0.999,
  ),
}
