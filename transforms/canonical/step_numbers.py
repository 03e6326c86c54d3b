"""The numbers that the host computes for each step of a canonical fit.

They are float64 results of IEEE operations in the order that is written here,
and are rounded to the precision of the fit at the end.
"""

import numpy as np
from jaxtyping import Float

from linac_config.config import LinacConfig

from .. import exact


def step_numbers(
  config: LinacConfig, steps: int
) -> Float[np.ndarray, '{steps} 3']:
  """Returns the factors of Adam's moments and the learning rate of each step.

  The row of step t, which counts from 1, is `1 / (1 - b1**t)`,
  `1 / (1 - b2**t)` and the learning rate, which decays along a cosine.

  Args:
    config: The transform.
    steps: The number of optimisation steps, at least 1.

  Returns:
    The numbers in the dtype of the config's precision.
  """
  alpha = config.decay_alpha
  cosine = exact.half_turn(steps)
  columns = [
    1 / (1 - exact.powers(config.b1, steps)),
    1 / (1 - exact.powers(config.b2, steps)),
    config.learning_rate * ((1 - alpha) * 0.5 * (1 + cosine) + alpha),
  ]
  return np.stack(columns, axis=-1).astype(config.precision)


def constants(config: LinacConfig) -> Float[np.ndarray, '7']:
  """Returns the numbers that all steps share.

  They are `b1`, `1 - b1`, `b2`, `1 - b2`, `eps`, `2 / P` and `P`, where P is
  the number of pixels of a step.

  Args:
    config: The transform.

  Returns:
    The numbers in the dtype of the config's precision.
  """
  b1, b2, pixels = config.b1, config.b2, config.batch_size
  return np.array(
    [b1, 1 - b1, b2, 1 - b2, config.eps, 2 / pixels, pixels], np.float64
  ).astype(config.precision)
