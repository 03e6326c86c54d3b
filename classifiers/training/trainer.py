"""The trainer of a classifier, which takes the steps of each epoch.

All random numbers follow from the config's seed and from the number of the step
or the epoch. A run that continues from a checkpoint therefore gives the same
numbers as a run that was never stopped.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, PRNGKeyArray

from classifiers.data import Split
from classifiers.defence.inputs import normalised
from classifiers.network.model import Model, ModelSpec
from classifiers.network.wide_resnet import WideResNet
from classifiers.training.config import TrainConfig
from classifiers.training.step import TrainState, make_optimizer, take_step


class Trainer:
  """A trainer of a classifier on a split of a prepared dataset.

  Attributes:
    config: The settings of the training.
    split: The training split.
    inputs: The feature that the network sees.
    steps_per_epoch: The number of whole batches in the split.
    spec: The description of the classifier.
  """

  def __init__(self, config: TrainConfig, split: Split, inputs: str):
    """Checks that the split can train such a classifier.

    Args:
      config: The settings of the training.
      split: The training split.
      inputs: The feature to train on, `'representation'` or `'image'`.

    Raises:
      ValueError: If the split has no such feature, or has fewer examples than
        one batch.
    """
    features = split.builder.info.features
    if inputs not in features:
      raise ValueError(
        f'{split.builder.info.full_name} has no feature {inputs!r}; pass a '
        'config of cifar10_linac, which has it.'
      )
    self.steps_per_epoch = split.count // config.batch_size
    if not self.steps_per_epoch:
      raise ValueError(
        f'batch_size={config.batch_size} is more than the {split.count} '
        f'examples of {split.name}; choose a smaller one.'
      )
    self.config, self.split, self.inputs = config, split, inputs
    self.spec = ModelSpec(
      depth=config.depth,
      width=config.width,
      in_channels=features[inputs].shape[-1],
      num_classes=split.num_classes,
      inputs=inputs,
      config_name=split.builder.builder_config.name,
      dataset_version=str(split.builder.version),
    )
    self._optimizer = make_optimizer(
      config, config.epochs * self.steps_per_epoch
    )
    self._key = jax.random.key(config.seed)

  def initial_state(self) -> TrainState:
    """Returns the state before the first step."""
    inputs = jnp.zeros((1, 32, 32, self.spec.in_channels))
    variables = _init(self.spec.network, self._key, inputs)
    return TrainState(
      step=jnp.zeros((), jnp.int32),
      variables=variables,
      optimizer=self._optimizer.init(variables['params']),
      ema=variables,
    )

  def epoch(
    self, state: TrainState, on_step: Callable[[], object] = lambda: None
  ) -> tuple[TrainState, float]:
    """Takes all steps of one epoch.

    Args:
      state: The state at the beginning of the epoch. The number of its step
        says which epoch it is.
      on_step: A function to call after each step.

    Returns:
      The state at the end of the epoch, and the mean loss of its steps.

    Raises:
      ValueError: If a loss or, at the end, a weight is not finite. The message
        names the step.
    """
    epoch = int(state.step) // self.steps_per_epoch
    losses = []
    for batch in self.split.shuffled_batches(
      (self.inputs, 'label'), self.config.batch_size, self.config.seed, epoch
    ):
      inputs = batch[self.inputs]
      state, loss = take_step(
        state,
        normalised(inputs) if self.inputs == 'image' else inputs,
        batch['label'].astype(np.int32),
        self._key,
        self.spec.network,
        self._optimizer,
        self.config,
      )
      losses.append(loss)
      on_step()
    self._check_finite(state, np.array(losses))
    return state, float(np.mean(losses))

  def _check_finite(self, state: TrainState, losses: np.ndarray) -> None:
    """Refuses the results of an epoch in which the training diverged.

    They are checked once an epoch, because the steps of an epoch do not wait
    for their results.
    """
    wrong = np.flatnonzero(~np.isfinite(losses))
    if wrong.size:
      step = int(state.step) - len(losses) + int(wrong[0]) + 1
      problem = f'The loss of step {step} is {losses[wrong[0]]}'
    elif not all(np.isfinite(x).all() for x in jax.tree.leaves(state.ema)):
      problem = f'The weights after step {int(state.step)} are not finite'
    else:
      return
    raise ValueError(
      f'{problem}: the training diverged. Train with a learning_rate smaller '
      f'than {self.config.learning_rate}, in another --out_dir.'
    )

  def model(self, state: TrainState) -> Model:
    """Returns the classifier with the averaged weights of a state."""
    return Model(self.spec, state.ema)


@functools.partial(jax.jit, static_argnums=0)
def _init(network: WideResNet, key: PRNGKeyArray, inputs: Array) -> dict:
  return network.init(key, inputs)
