"""`sample`: drawn 32x32 images in ten classes, made offline in a second.

The dataset replaces CIFAR-10 where there is no network: `--source sample`.
"""

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

_SIZE = 32


class Builder(tfds.core.GeneratorBasedBuilder):
  """Builder of `sample`.

  Each image is drawn from its index, so the dataset is always the same.
  """

  VERSION = tfds.core.Version('1.0.0')
  RELEASE_NOTES = {'1.0.0': 'Initial release.'}  # noqa: RUF012

  def __init__(self, *, file_format: str | None = None, **kwargs):
    super().__init__(file_format=file_format, **kwargs)
    if file_format is None and not self.is_prepared():
      # ArrayRecord files are written and read without TensorFlow, which takes
      # seconds to import.
      self.info.set_file_format('array_record', override=True)

  def _info(self) -> tfds.core.DatasetInfo:
    return self.dataset_info_from_configs(
      features=tfds.features.FeaturesDict(
        {
          'image': tfds.features.Image(shape=(_SIZE, _SIZE, 3)),
          'label': tfds.features.ClassLabel(names=list(_SHAPES)),
        }
      ),
      supervised_keys=('image', 'label'),
      homepage='https://proceedings.mlr.press/v162/rusu22a.html',
      disable_shuffling=True,
    )

  def _split_generators(self, dl_manager):
    del dl_manager  # Nothing to download.
    return {
      'train': self._generate_examples(range(100)),
      'test': self._generate_examples(range(100, 120)),
    }

  def _generate_examples(self, indices):
    names = list(_SHAPES)
    for index in indices:
      name = names[index % len(names)]
      # TFDS encodes a Pillow image without TensorFlow.
      image = Image.fromarray(draw_image(name, index))
      yield index, {'image': image, 'label': name}


def draw_image(name: str, index: int) -> np.ndarray:
  """Draws a shape in the colours, place and size that an index determines.

  Args:
    name: The name of the shape, such as `'disc'`.
    index: The number of the image.

  Returns:
    The image, uint8 of shape `[32, 32, 3]`.
  """
  # NumPy promises that the numbers of RandomState never change, but not those
  # of Generator.
  random = np.random.RandomState(index)
  background, foreground = random.uniform(0, 255, (2, 3))
  x0, y0 = random.uniform(-0.25, 0.25, 2)
  scale = random.uniform(0.8, 1.4)
  y, x = (np.mgrid[:_SIZE, :_SIZE] + 0.5) / (_SIZE / 2) - 1
  x, y = (x - x0) * scale, (y - y0) * scale
  # Shapes have soft edges, about one pixel wide. A slope of brightness and some
  # noise are added to the whole image.
  coverage = np.clip(0.5 - _SHAPES[name](x, y) * 8, 0, 1)[..., np.newaxis]
  image = background + coverage * (foreground - background)
  image += (x + y)[..., np.newaxis] * random.uniform(-40, 40, 3)
  image += random.uniform(-6, 6, image.shape)
  return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def _box(x, y, width, height):
  return np.maximum(np.abs(x) - width, np.abs(y) - height)


# For each shape, a function of the coordinates that is negative inside.
_SHAPES = {
  'disc': lambda x, y: x * x + y * y - 0.4,
  'ring': lambda x, y: np.abs(x * x + y * y - 0.4) - 0.15,
  'square': lambda x, y: _box(x, y, 0.6, 0.6),
  'diamond': lambda x, y: np.abs(x) + np.abs(y) - 0.7,
  'triangle': lambda x, y: np.maximum(np.abs(x) * 1.7 - y - 0.5, y - 0.5),
  'cross': lambda x, y: np.minimum(_box(x, y, 0.7, 0.2), _box(x, y, 0.2, 0.7)),
  'rows': lambda x, y: np.abs(y * 2 % 1 - 0.5) - 0.25,
  'columns': lambda x, y: np.abs(x * 2 % 1 - 0.5) - 0.25,
  'chequers': lambda x, y: (
    (np.abs(x * 2 % 1 - 0.5) - 0.25) * (np.abs(y * 2 % 1 - 0.5) - 0.25) * 8
  ),
  'moon': lambda x, y: np.maximum(
    x * x + y * y - 0.5, 0.35 - (x - 0.4) ** 2 - y * y
  ),
}
