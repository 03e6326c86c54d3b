"""How many images fit into a device's memory together."""

from linac_config.config import KeylessConfig

# More keep no device busier and make the padding of a last batch dearer.
MOST_IMAGES = 512


def images_in_memory(
  config: KeylessConfig, shape: tuple[int, int, int], num_bytes: int
) -> int:
  """Images to fit by one call to a device.

  Counts eight copies of the weights (parameters, both moments and gradients,
  each once more while they are updated) and of a hidden layer's activations on
  the pixel grid, and leaves half of the memory free. XLA's own account of the
  default program is 5 MB an image, this one 17 MB.

  Args:
    config: the transform.
    shape: (height, width, channels) of the images.
    num_bytes: of the device's memory.

  Returns:
    A power of two, at most 512.
  """
  height, width, channels = shape
  numbers = 8 * (config.num_weights(channels) + height * width * config.width)
  itemsize = {'float32': 4, 'float64': 8}[config.precision]
  images = min(num_bytes // (2 * numbers * itemsize), MOST_IMAGES)
  return 1 << max(images, 1).bit_length() - 1
