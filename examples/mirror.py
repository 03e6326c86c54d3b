"""Shows that mirroring an image does not mirror its representation.

  python examples/mirror.py

So representations must not be mirrored to augment training data. The program
fits 8 drawn images and their mirror images. Then it prints two distances from
an image's representation, relative to its norm: that of the mirror image's
representation, mirrored back, and that of another image's representation.
"""

import numpy as np

from linac_tfds.sample.sample_dataset_builder import draw_image
from transforms import LinacConfig, linac


def distance(a: np.ndarray, b: np.ndarray) -> float:
  """Returns the median over images of the relative L2 distance."""
  a, b = (x.reshape(len(x), -1) for x in (a, b))
  return float(
    np.median(np.linalg.norm(a - b, axis=1) / np.linalg.norm(b, axis=1))
  )


def main() -> None:
  images = np.stack([draw_image('disc', i) for i in range(8)])
  own, mirrored = (
    linac(x, LinacConfig()).representation for x in (images, images[:, :, ::-1])
  )
  print(f'of the mirror image: {distance(mirrored[:, :, ::-1], own):.0%}')
  print(f'of another image:    {distance(np.roll(own, 1, axis=0), own):.0%}')


if __name__ == '__main__':
  main()
