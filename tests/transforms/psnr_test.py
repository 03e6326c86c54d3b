import math

import numpy as np
import pytest

from transforms import LinacConfig, exact, psnr

CONFIG = LinacConfig()


def drawn(dtype: str) -> tuple[np.ndarray, np.ndarray]:
  """Returns pixels and outputs of 20 images, for which orders matter."""
  random = np.random.default_rng(0)
  pixels = random.normal(size=(20, 35, 3)).astype(np.float32)
  return pixels, random.normal(size=pixels.shape).astype(dtype)


@pytest.mark.parametrize('dtype', ['float32', 'float64'])
@pytest.mark.parametrize('std', [CONFIG.std, (0.5,), None])
def test_errors_are_summed_pixel_by_pixel_and_channel_by_channel(dtype, std):
  pixels, outputs = drawn(dtype)
  scale = std if std and len(std) == 3 else (1.0, 1.0, 1.0)
  expected = []
  for x, z in zip(pixels.tolist(), outputs.tolist(), strict=True):
    total = 0.0
    for p in range(35):
      for c in range(3):
        error = (z[p][c] - x[p][c]) * scale[c]
        total += error * error
    expected.append(-10 * exact.log10(total / 105))
  config = LinacConfig(mean=std, std=std)
  assert psnr.in_decibels(pixels, outputs, config).tolist() == expected


def test_an_image_does_not_depend_on_its_neighbours():
  pixels, outputs = drawn('float32')
  together = psnr.in_decibels(pixels, outputs, CONFIG)
  alone = psnr.in_decibels(pixels[7:8], outputs[7:8], CONFIG)
  assert alone.tolist() == [together[7]]


def test_known_ratios():
  pixels = np.zeros((4, 2, 1), np.float32)
  outputs = np.zeros(pixels.shape)
  outputs[0] = 1
  outputs[1] = 10
  outputs[2, 0, 0] = np.sqrt(2)
  ratios = psnr.in_decibels(pixels, outputs, CONFIG)
  np.testing.assert_allclose(ratios[:3], [0, -20, 0], atol=1e-14)
  assert ratios[3] == pytest.approx(3076.5, abs=0.1)


@pytest.mark.parametrize(
  ('output', 'ratio'),
  [(math.nan, math.nan), (math.inf, -math.inf), (1e200, -math.inf)],
)
def test_a_fit_that_diverged(output, ratio):
  pixels = np.zeros((2, 2, 1), np.float32)
  outputs = np.ones(pixels.shape)
  outputs[1, 0, 0] = output
  ratios = psnr.in_decibels(pixels, outputs, CONFIG)
  np.testing.assert_array_equal(ratios, [0, ratio])
