from decimal import Decimal

import numpy as np
import pytest

from tests.transforms import decimals
from transforms import encoding


def test_the_grid_is_read_row_by_row_and_y_decreases():
  grid = encoding.pixel_grid(2, 3)
  x, y = [-0.5, 0, 0.5], [1 / 3, -1 / 3]
  expected = [(b, a) for a in y for b in x]
  np.testing.assert_allclose(grid, expected, atol=1e-15)


@pytest.mark.parametrize('size', [(5, 3), (8, 8)])
def test_sines_come_first_and_frequencies_double(size):
  grid = encoding.pixel_grid(*size)
  encoded = encoding.positional_encoding(grid, 3)
  assert encoded.dtype == np.float32
  angles = np.concatenate([np.pi * grid * 2**i for i in range(3)], axis=1)
  expected = np.concatenate([np.sin(angles), np.cos(angles)], axis=1)
  np.testing.assert_allclose(encoded, expected, rtol=1e-7, atol=1e-15)


@pytest.mark.parametrize('octave', [0, 4, 63])
def test_numbers_are_exact_functions_of_the_float64_angle(octave):
  """The sines or cosines of these angles lie near the middle of two floats."""
  low = np.random.default_rng(1).uniform(0.1, 0.9, 60).astype(np.float32)
  middles = (low.astype(np.float64) + np.nextafter(low, np.float32(1))) / 2
  angles = np.stack([np.arcsin(middles), np.arccos(middles)], axis=-1)
  coordinates = angles / (2.0**octave * np.pi)
  encoded = encoding.positional_encoding(coordinates, octave + 1)
  sines = encoded[:, 2 * octave : 2 * octave + 2].ravel().tolist()
  cosines = encoded[:, -2:].ravel().tolist()
  angles = (2.0**octave * np.pi * coordinates).ravel().tolist()
  for angle, sine, cosine in zip(angles, sines, cosines, strict=True):
    for quarters, ours in ((-1, sine), (0, cosine)):
      true = decimals.cosine(Decimal(angle), 60, quarters)
      assert decimals.is_nearest(true, ours, np.float32)


def test_huge_angles_are_reduced():
  grid = encoding.pixel_grid(2, 4)
  encoded = encoding.positional_encoding(grid, 64)
  for place, ours in zip(grid, encoded[:, -2:], strict=True):
    for coordinate, cosine in zip(place, ours.tolist(), strict=True):
      true = decimals.cosine(Decimal(float(2.0**63 * np.pi * coordinate)), 80)
      assert decimals.is_nearest(true, cosine, np.float32)
