"""A GPU that does not give the CPU's bits is refused."""

import dataclasses

import numpy as np
import pytest

from linac_config.errors import CannotFitError
from tests.transforms.canonical.problems import SMALL as CONFIG
from transforms import draw, encoding, linac, transform
from transforms.canonical.check import check_bits, fit_on_cpu

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), np.uint8)


@pytest.mark.parametrize('precision', ['float32', 'float64'])
def test_a_direct_fit_has_the_bits_of_jax(precision):
  config = dataclasses.replace(CONFIG, precision=precision)
  expected = linac(IMAGES[:1], config)
  draws = draw(config, IMAGES.shape[1:])
  pixels = encoding.normalise(IMAGES, config)
  representation, outputs, losses = fit_on_cpu(pixels[0], draws, config)
  assert representation.tobytes() == expected.representation.tobytes()
  assert outputs.tobytes() == expected.reconstruction.tobytes()
  assert losses.tobytes() == expected.losses.tobytes()


@pytest.fixture
def started(monkeypatch) -> transform.StartedFit:
  """A fit whose device is checked as a GPU is."""
  monkeypatch.setattr(transform, '_CHECKED', set())
  monkeypatch.setattr(transform, '_is_checked', lambda device: True)
  return transform.start_fit(IMAGES, CONFIG, 2, 'float16')


def with_another_number(
  started: transform.StartedFit, i: int
) -> transform.StartedFit:
  arrays = list(started.arrays)
  arrays[i] = arrays[i].at[0, 5].add(1)
  return dataclasses.replace(started, arrays=tuple(arrays))


def test_the_first_batch_is_compared_with_the_cpu(started):
  started.result()
  # This process has seen the device give the right bits.
  with_another_number(started, 2).result()


def test_another_loss_is_refused(started):
  wrong = with_another_number(started, 2)
  for _ in range(2):  # Again, until it is right.
    with pytest.raises(CannotFitError, match='cpu does.*in step 5 the loss'):
      wrong.result()


@pytest.mark.parametrize(
  ('i', 'name'), [(0, 'representation'), (1, 'reconstruction')]
)
def test_another_result_is_refused(started, i, name):
  with pytest.raises(CannotFitError, match=f'{name} is not.*JAX_PLATFORMS=cpu'):
    with_another_number(started, i).result()


def test_a_zero_of_the_other_sign_is_refused(started):
  representation, *others = started.arrays
  pixel, unit = np.argwhere(np.asarray(representation[0]) == 0)[0]
  negative = representation.at[0, pixel, unit].set(-0.0)
  wrong = dataclasses.replace(started, arrays=(negative, *others))
  with pytest.raises(CannotFitError, match='representation is not'):
    wrong.result()


def test_nan_is_a_result_like_others():
  pixels = np.full((64, 3), np.nan, np.float32)
  draws = draw(CONFIG, (8, 8, 3))
  check_bits('GPU', pixels, draws, CONFIG, fit_on_cpu(pixels, draws, CONFIG))
