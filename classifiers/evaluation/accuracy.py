"""The classification of a split, from its images or its representations."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool
from tqdm import tqdm

from classifiers.data import Split
from classifiers.defence.classifier import classifier_of
from classifiers.defence.inputs import logits_in_batches
from classifiers.network.model import Model
from linac_config import LinacConfig, config_names


def correctly_classified(
  model: Model, split: Split, batch_size: int, progress: bool = False
) -> Bool[np.ndarray, 'n']:
  """Returns whether each image of a split is classified correctly.

  A model of representations uses those that the split holds. If the split holds
  images only, they are transformed first.

  Args:
    model: A classifier of representations or of images.
    split: A split of `cifar10_linac`, or of a dataset of images.
    batch_size: The number of images that are classified together.
    progress: Whether to show a progress bar.

  Raises:
    ValueError: If the split has other classes or channels than the model, or
      its representations were made with another config than those that the
      model was trained on, or if a logit is not finite.
  """
  check_split(model, split)
  if (
    model.spec.inputs == 'representation'
    and 'representation' in split.builder.info.features
  ):
    _check_config(model, split)
    feature = 'representation'
    classify = lambda batch: logits_in_batches(  # noqa: E731
      lambda x: model.logits(np.asarray(x, np.float32)), batch, batch_size
    )
  else:
    feature = 'image'
    classify = classifier_of(model, batch_size=batch_size)
  correct = []
  with tqdm(total=split.count, unit=' images', disable=not progress) as bar:
    for batch, labels in split.batches(feature, batch_size):
      correct.append(classify(batch).argmax(axis=1) == labels)
      bar.update(len(labels))
  return np.concatenate(correct)


def check_split(model: Model, split: Split) -> None:
  """Checks that a model can classify the examples of a split.

  Raises:
    ValueError: If they have another number of classes, or their features
      another number of channels, than the model.
  """
  spec, name = model.spec, split.builder.info.full_name
  if spec.num_classes != split.num_classes:
    raise ValueError(
      f'The model has {spec.num_classes} classes, but {name} has '
      f'{split.num_classes}. Pass a dataset of the same classes.'
    )
  check_channels(model, split)


def check_channels(model: Model, split: Split) -> None:
  """Checks that a model takes the features of a split, if it has them.

  Raises:
    ValueError: If they have another number of channels than the model takes.
  """
  spec, name = model.spec, split.builder.info.full_name
  features = split.builder.info.features
  if spec.inputs in features:
    channels = features[spec.inputs].shape[-1]
    if channels != spec.in_channels:
      raise ValueError(
        f'The model takes {spec.inputs}s of {spec.in_channels} channels, but '
        f'those of {name} have {channels}. Pass another model or dataset.'
      )


def _check_config(model: Model, split: Split) -> None:
  """Refuses representations that the model was not trained on."""
  builder, spec = split.builder, model.spec
  name = builder.builder_config.name if builder.builder_config else ''
  wanted = _meaning(spec.config_name, spec.dataset_version)
  if _meaning(name, str(builder.version)) != wanted:
    trained_on = f'cifar10_linac/{spec.config_name}:{spec.dataset_version}'
    raise ValueError(
      f'The model was trained on {trained_on}, but the representations of '
      f'{name}:{builder.version} have another key or transform. Pass '
      f'--dataset={trained_on}.'
    )


def _meaning(name: str, version: str) -> tuple[str, LinacConfig | bool]:
  """Returns the source and the transform that a config's name stands for.

  A private name says nothing of its transform, and is returned with whether XLA
  made all fits of the version.
  """
  try:
    return config_names.parse_config_name(name, version)
  except ValueError:
    return name, config_names.has_only_xla(version)
