"""Accuracy of a classifier on a dataset, with a confidence interval.

On raw images, every one of them transformed on the way (the published model:
10,000 fits):

  python -m classifiers.evaluate wrn70-16.safetensors --dataset cifar10

On representations that are there already:

  python -m classifiers.evaluate model.safetensors --dataset cifar10_linac/seed_42 --data_dir D

Prints a line of JSON. The interval is Wilson's, at 95 %: what another draw of as
many test images could have given. It does not hold what another training run
could have given.
"""  # noqa: E501  A command to paste is one line.

from __future__ import annotations

import sys
import time

import jax
import numpy as np
from tqdm import tqdm

from classifiers import command_line, data
from classifiers.defence.classifier import classifier_of, in_batches
from classifiers.evaluation import intervals
from classifiers.network.model import Model, load_model


def correctly_classified(
  model: Model, split: data.Split, batch_size: int, progress: bool = False
) -> np.ndarray:
  """Whether each image of a split is classified correctly.

  Args:
    model: of representations or images. Where the split has what the model
      wants, it is used as it is stored.
    split: of `cifar10_linac`, or of images, which are transformed on the way.
    batch_size: images classified together.
    progress: whether to show a bar.

  Raises:
    ValueError: if the split's representations are another config's.
  """
  stored = 'representation' in split.builder.info.features
  feature = model.spec.inputs if stored else 'image'
  if feature == 'representation':
    _check_config(model, split)
    classify = lambda batch: in_batches(  # noqa: E731
      lambda x: model.logits(np.asarray(x, np.float32)), batch, batch_size
    )
  else:
    classify = classifier_of(model)
    classify.batch_size = batch_size
  bar = tqdm(total=split.count, unit=' images', disable=not progress)
  correct = []
  for batch, labels in split.batches(feature, batch_size):
    correct.append(classify(batch).argmax(axis=1) == labels)
    bar.update(len(labels))
  bar.close()
  return np.concatenate(correct)


def _check_config(model: Model, split: data.Split) -> None:
  config = split.builder.builder_config
  name = config.name if config else ''
  if name != model.spec.config_name:
    raise ValueError(
      f'The model was trained on cifar10_linac/{model.spec.config_name}; '
      f"representations of {name} are another key's or transform's."
    )


def main(argv: list[str]) -> dict:
  parser = command_line.Parser(
    'evaluate', 'Measures the accuracy of a classifier.'
  )
  parser.add_argument('model', help='a safetensors file of this package')
  parser.add_argument(
    '--dataset',
    required=True,
    help='cifar10, or any prepared TFDS dataset of such images, or '
    'cifar10_linac/CONFIG',
  )
  parser.add_argument('--split', default='test', help='default: %(default)s')
  parser.add_argument(
    '--data_dir', help="TFDS's data folder (default: ~/tensorflow_datasets)"
  )
  parser.add_argument(
    '--batch_size',
    type=int,
    default=128,
    metavar='N',
    help='speed and memory only (default: %(default)s)',
  )
  args = parser.parse_args(argv)
  if args.batch_size < 1:
    raise ValueError(f'batch_size={args.batch_size} must be at least 1.')
  model = load_model(args.model)
  split = data.find_split(args.dataset, args.split, args.data_dir)
  from linac_tfds import quiet_tensorflow  # noqa: F401  It takes seconds.

  start = time.perf_counter()
  correct = correctly_classified(model, split, args.batch_size, progress=True)
  return {
    'model': args.model,
    'dataset': args.dataset,
    'split': args.split,
    'inputs': model.spec.inputs,
    'config_name': model.spec.config_name,
    **intervals.accuracy_of(correct),
    'seconds': round(time.perf_counter() - start, 1),
    'device': jax.devices()[0].device_kind,
  }


if __name__ == '__main__':
  sys.exit(command_line.run(main, sys.argv[1:]))
