"""Imports the published classifier's parameters without trusting their file.

The first command downloads the file, and the second one converts it:

  curl -O https://storage.googleapis.com/dm-adversarial-robustness/linac/cifar10_linac_wrn70-16.npy
  python -m classifiers.import_published cifar10_linac_wrn70-16.npy wrn70-16.safetensors

The published file is a pickle. `classifiers/network/unpickle.py` reads it without
running anything that is in it. The result is a safetensors file that
`classifiers.evaluate` and `classifiers.load_model` read. The import of the
published file takes about 2.5 GB of memory and writes 1.1 GB to disk.
"""  # noqa: E501  A command to paste is one line.

from __future__ import annotations

if __name__ == '__main__':
  # The imports take seconds. Ctrl-C must print no traceback meanwhile.
  from linac_config import entry

  entry.begin_imports()

import argparse
import dataclasses
import os
import sys

from classifiers import command_line
from classifiers.network.model import save_model
from classifiers.network.published import convert
from classifiers.network.unpickle import load_params_and_state
from linac_config import LinacConfig, config_names, invocation, paths


@command_line.prints_result
def main(argv: list[str]) -> dict:
  """Converts the published file and returns the network's description."""
  args = _parse(argv)
  params, state = load_params_and_state(args.file)
  model = convert(params, state, args.config_name)
  save_model(args.out, model)
  spec = dataclasses.asdict(model.spec)
  del spec['inputs']  # A published classifier is always a defended one.
  return {'imported': args.out, **spec}


def _parse(argv: list[str]) -> argparse.Namespace:
  parser = command_line.Parser(
    invocation.command('import'),
    'Converts the published .npy file of a defended classifier to safetensors.',
  )
  parser.add_argument('file', help='the .npy file, a pickled [params, state]')
  parser.add_argument('out', help='the safetensors file to write')
  parser.add_argument(
    '--config_name',
    default=config_names.config_name('cifar10', LinacConfig()),
    metavar='NAME',
    help='the config of cifar10_linac that the classifier was trained on '
    '(default: %(default)s, which has the published key)',
  )
  args = parser.parse_args(argv)
  config_names.parse_config_name(args.config_name)
  out = paths.absolute(args.out)
  reason = paths.why_not_writable(os.path.dirname(out))
  if os.path.isdir(out):
    reason = 'it is a folder'
  if reason:
    raise ValueError(f'{out} cannot be written: {reason}. Name another file.')
  return args


if __name__ == '__main__':
  entry.end_imports()
  sys.exit(main(sys.argv[1:]))
