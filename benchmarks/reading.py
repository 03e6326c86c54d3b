"""Compares the ways to read a dataset with reading and checking its bytes.

  python -m benchmarks.reading [--examples 512] [--rounds 5]

For each file format, the benchmark builds a dataset with representations of the
default size. Each way reads the whole dataset once in each round, in turn, from
files that the system has in memory. The program prints the examples per second,
and per second of its own CPU time, to which workers of PyTorch do not count.
"""

import argparse
import json
import pathlib
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import tensorflow_datasets as tfds
import torch

from benchmarks.drawn import build_command, prepare
from pipelines.files.formats import FILE_FORMATS


class Torch(torch.utils.data.Dataset):
  """A dataset for PyTorch, as docs/reading.md has it."""

  def __init__(self, folder: pathlib.Path):
    builder = tfds.builder_from_directory(folder)
    self._source = builder.as_data_source('train')

  def __len__(self):
    return len(self._source)

  def __getitem__(self, index):
    example = self._source[index]
    return torch.from_numpy(example['representation'].copy()), example['label']


def ways(folder: pathlib.Path, file_format: str) -> dict[str, Callable]:
  """The ways to read a dataset; each yields the sizes of batches."""
  builder = tfds.builder_from_directory(folder)
  files = sorted(folder.glob(f'*.{file_format}*'))

  def checked_bytes() -> Iterator[int]:
    for path in files:
      for _ in FILE_FORMATS[file_format].read(path):
        yield 1

  def through(examples: Iterable) -> Callable:
    return lambda: (1 for _ in examples)

  def loaded(num_workers: int) -> Callable:
    # Forked workers crash if this process has read an example before.
    loader = torch.utils.data.DataLoader(
      Torch(folder),
      batch_size=32,
      num_workers=num_workers,
      multiprocessing_context='spawn' if num_workers else None,
      persistent_workers=bool(num_workers),
    )
    return lambda: (
      len(representations.permute(0, 3, 1, 2).float())
      for representations, _ in loader
    )

  if file_format == 'tfrecord':
    # By default, TFDS would keep such a small dataset in memory.
    config = tfds.ReadConfig(try_autocache=False)
    dataset = builder.as_dataset('train', read_config=config)
    others = {'tfds.load': through(tfds.as_numpy(dataset))}
  else:
    source = builder.as_data_source('train')
    others = {'tfds.data_source': through(source)}
    others |= {f'DataLoader, {n} workers': loaded(n) for n in range(3)}
  return {'checked bytes': checked_bytes} | others


def measure(data_dir: str, file_format: str, args) -> dict[str, list[int]]:
  """Builds a dataset and reads it.

  Returns:
    The examples per second of each way, and those per second of this process's
    CPU time, as medians.
  """
  prepare(args.examples, data_dir)
  options = ['--num_epochs=1', f'--file_format={file_format}']
  subprocess.run(build_command(data_dir, *options), check=True)
  (info,) = pathlib.Path(data_dir).glob('cifar10_linac/*/*/dataset_info.json')
  found, rates = ways(info.parent, file_format), {}
  for _ in range(args.rounds + 1):  # The first round starts workers.
    for name, way in found.items():
      begin = _times()
      count = sum(way())
      rates.setdefault(name, []).append(count / (_times() - begin))
  return {
    name: np.median(each[1:], axis=0).round().astype(int).tolist()
    for name, each in rates.items()
  }


def _times() -> np.ndarray:
  """The time and the CPU time of this process, in seconds."""
  return np.array([time.perf_counter(), time.process_time()])


def main() -> None:
  """Measures both formats."""
  parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawTextHelpFormatter
  )
  parser.add_argument('--examples', type=int, default=512)
  parser.add_argument('--rounds', type=int, default=5)
  args = parser.parse_args()
  for file_format in FILE_FORMATS:
    with tempfile.TemporaryDirectory() as data_dir:
      rates = measure(data_dir, file_format, args)
    print(json.dumps({'file_format': file_format} | rates))


if __name__ == '__main__':
  main()
