"""The number of images that a device's memory holds during a fit."""

from linac_config.config import KeylessConfig

# A larger batch would not use any device better, and padding the last batch of
# a task would take longer.
MOST_IMAGES = 512


def images_in_memory(
  config: KeylessConfig, shape: tuple[int, int, int], num_bytes: int
) -> int:
  """Returns the number of images that XLA fits in one call to a device.

  The estimate leaves half of the memory free. It counts eight copies of the
  weights (the parameters, both moments and the gradients, each once more while
  they are updated) and eight of a hidden layer's activations on the pixel grid.
  For the default config this is 17 MB per image; XLA itself reports 5 MB.

  Args:
    config: The transform.
    shape: The (height, width, channels) of the images.
    num_bytes: The size of the device's memory in bytes.

  Returns:
    A power of two, at most 512.
  """
  height, width, channels = shape
  numbers = 8 * (config.num_weights(channels) + height * width * config.width)
  itemsize = {'float32': 4, 'float64': 8}[config.precision]
  images = min(num_bytes // (2 * numbers * itemsize), MOST_IMAGES)
  return 1 << max(images, 1).bit_length() - 1


def results_in_memory(
  config: KeylessConfig, shape: tuple[int, int, int], num_bytes: int
) -> int:
  """Returns the number of images whose canonical fits a device's memory holds.

  Two batches are there at the same time, each with its targets, its results and
  the representations rounded to the storage dtype. They may take a quarter of
  the memory; the states of the fits that are at work need another part.

  Args:
    config: The transform.
    shape: The (height, width, channels) of the images.
    num_bytes: The size of the device's memory in bytes.
  """
  height, width, channels = shape
  units = 2 * config.representation_channels(channels) + 2 * channels
  itemsize = {'float32': 4, 'float64': 8}[config.precision]
  return max(1, num_bytes // (8 * height * width * units * itemsize))
