"""The losses that gradient attacks increase, and the gradients of these losses.

The transform takes 320 steps of Adam, through which nobody differentiates. Two
objectives work around it with an imitation of the transform, a `Bypass`. The
Parametric Bypass Approximation (PBA, Rusu et al. 2022) replaces the transform
with the imitation. The Backward Pass Differentiable Approximation (BPDA,
Athalye et al. 2018) uses the imitation for the gradient only.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from classifiers.attacks.bypass import Bypass
from classifiers.defence.classifier import DefendedClassifier
from classifiers.defence.inputs import standardised
from classifiers.network.model import Model

# A function from images in [0, 1] and their labels to the loss of each image
# and the gradient of its loss.
Objective = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def margins(
  logits: Float[Array, 'n classes'], labels: Int[Array, 'n']
) -> Float[Array, 'n']:
  """Returns by how much the best wrong logit exceeds the right one.

  A margin is positive if the image is misclassified. Unlike the cross-entropy,
  it does not saturate for a confident network (Carlini and Wagner 2017).
  """
  right = jax.nn.one_hot(labels, logits.shape[1], dtype=bool)
  others = jnp.where(right, -jnp.inf, logits).max(axis=1)
  return others - jnp.where(right, logits, -jnp.inf).max(axis=1)


def objective_of(logits_of: Callable[[Array], Array]) -> Objective:
  """Returns the margin of a differentiable classifier, and its gradient.

  Args:
    logits_of: A function from images in [0, 1] to logits.
  """

  @jax.jit
  def objective(x, labels):
    def total(x):
      losses = margins(logits_of(x), labels)
      return losses.sum(), losses

    (_, losses), gradients = jax.value_and_grad(total, has_aux=True)(x)
    return losses, gradients

  return lambda x, labels: objective(x.astype(np.float32), labels)


def undefended_objective(model: Model) -> Objective:
  """Returns the objective of an attack on a classifier of images."""
  return objective_of(lambda x: model.logits(standardised(x)))


def pba_objective(model: Model, bypass: Bypass) -> Objective:
  """Returns the objective of PBA: the network on imitated representations.

  Args:
    model: A classifier of representations.
    bypass: An imitation of the transform under the attacker's key.
  """
  return objective_of(lambda x: model.logits(bypass(x)))


def bpda_objective(classifier: DefendedClassifier, bypass: Bypass) -> Objective:
  """Returns the objective of BPDA: the true loss, and a substitute gradient.

  Each evaluation rounds the images to 8 bits and fits them.

  Args:
    classifier: The classifier with the transform under the attacker's key.
    bypass: An imitation of the transform under the same key.
  """

  @jax.jit
  def losses_and_gradients(representations, x, labels):
    def total(representations):
      losses = margins(classifier.model.logits(representations), labels)
      return losses.sum(), losses

    (_, losses), cotangents = jax.value_and_grad(total, has_aux=True)(
      representations
    )
    (gradients,) = jax.vjp(bypass, x)[1](cotangents)
    return losses, gradients

  def objective(x, labels):
    images = np.rint(255 * x).astype(np.uint8)
    return losses_and_gradients(
      classifier.representations(images), x.astype(np.float32), labels
    )

  return objective
