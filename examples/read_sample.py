"""Reads the dataset that `make sample` builds.

  python examples/read_sample.py DATA_DIR

The program prints the first five examples of the split `train`.
"""

import sys

import tensorflow_datasets as tfds

import linac_tfds  # noqa: F401  Registers the dataset.
from linac_tfds import quiet_tensorflow  # noqa: F401


def main(data_dir: str) -> None:
  dataset, info = tfds.load(
    'cifar10_linac/sample_seed_42',
    split='train',
    data_dir=data_dir,
    with_info=True,
  )
  label_name = info.features['label'].int2str
  for example in tfds.as_numpy(dataset.take(5)):
    representation = example['representation']
    print(
      f'{example["id"].decode():12} {label_name(example["label"]):9}'
      f'representation {representation.shape} {representation.dtype}, '
      f'{(representation == 0).mean():.0%} zeros, '
      f'PSNR {example["psnr"]:.1f} dB'
    )


if __name__ == '__main__':
  main(sys.argv[1])
