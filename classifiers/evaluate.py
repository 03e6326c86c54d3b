"""Measures the accuracy of a classifier on a dataset.

On a dataset of images, every image is transformed first. With the published
classifier, this command makes 10,000 fits:

  python -m classifiers.evaluate wrn70-16.safetensors --dataset cifar10

On a dataset of representations, the stored ones are used:

  python -m classifiers.evaluate model.safetensors --dataset cifar10_linac/seed_42 --data_dir D

The result is a line of JSON with the accuracy and Wilson's confidence interval at
95 %. The interval covers the accuracies that other samples of as many test images
could have given. It does not cover the differences between training runs.
"""  # noqa: E501  A command to paste is one line.

from __future__ import annotations

if __name__ == '__main__':
  # The imports take seconds. Ctrl-C must print no traceback meanwhile.
  from linac_config import entry

  entry.begin_imports()

import argparse
import sys
import time

import jax

from classifiers import command_line, data
from classifiers.evaluation.accuracy import correctly_classified
from classifiers.evaluation.intervals import accuracy_of
from classifiers.network.model import load_model
from linac_config import invocation


@command_line.prints_result
def main(argv: list[str]) -> dict:
  """Classifies a split and returns the accuracy."""
  args = _parse(argv)
  model = load_model(args.model)
  split = data.find_split(args.dataset, args.split, args.data_dir)
  start = time.perf_counter()
  correct = correctly_classified(model, split, args.batch_size, progress=True)
  return {
    'model': args.model,
    'dataset': args.dataset,
    'split': args.split,
    'inputs': model.spec.inputs,
    'config_name': model.spec.config_name,
    **accuracy_of(correct),
    'seconds': round(time.perf_counter() - start, 1),
    'device': jax.devices()[0].device_kind,
  }


def _parse(argv: list[str]) -> argparse.Namespace:
  parser = command_line.Parser(
    invocation.command('evaluate'), 'Measures the accuracy of a classifier.'
  )
  parser.add_argument('model', help='the safetensors file of the classifier')
  command_line.add_dataset_options(
    parser,
    'the dataset to classify: cifar10, or any other prepared TFDS dataset of '
    'such images, or cifar10_linac/CONFIG',
    split='test',
  )
  parser.add_argument(
    '--batch_size',
    type=int,
    default=128,
    metavar='N',
    help='the number of images to classify together, which affects speed and '
    'memory only (default: %(default)s)',
  )
  args = parser.parse_args(argv)
  if args.batch_size < 1:
    raise ValueError(f'batch_size={args.batch_size} must be at least 1.')
  return args


if __name__ == '__main__':
  entry.end_imports()
  sys.exit(main(sys.argv[1:]))
