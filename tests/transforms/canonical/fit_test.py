"""The canonical fit: its bits are those of 2b, on every kernel."""

import dataclasses
import hashlib
import json
import os
import pathlib
import warnings
from collections.abc import Iterator

import hypothesis
import jax
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from linac_config.errors import CannotFitError
from tests.transforms.canonical import problems
from tests.transforms.canonical.problems import GOLDEN, Problem
from transforms import LinacConfig, draw, encoding, fit, linac
from transforms.canonical import fit as canonical
from transforms.canonical import library
from transforms.canonical.compile import zig_compiler
from transforms.canonical.fit import kernel_name

HASHES = json.loads((GOLDEN / 'canonical.json').read_text())
KERNELS = ['avx512', 'avx2', 'portable']
SMALL = LinacConfig(
  arithmetic='canonical',
  seed=3,
  num_layers=2,
  width=24,
  num_features=2,
  num_epochs=2,
  batch_size=12,
  representation_layer=1,
  mean=(0.5,),
  std=(0.25,),
)
COLOUR = dataclasses.replace(
  SMALL, batch_size=16, mean=(0.5,) * 3, std=(0.25,) * 3
)


@pytest.fixture(params=KERNELS)
def kernel(request, monkeypatch) -> Iterator[str]:
  """Each kernel that this CPU runs."""
  monkeypatch.setenv('LINAC_KERNEL', request.param)
  try:
    kernel_name()
  except ValueError:
    pytest.skip(f'this CPU does not run {request.param}')
  with warnings.catch_warnings():
    warnings.filterwarnings('ignore', '.*portable kernel')
    yield request.param


@pytest.fixture(scope='session')
def plain(tmp_path_factory):
  """The fit in plain C that the documentation shows."""
  return problems.compile_plain_fit(tmp_path_factory.mktemp('plain_fit'))


@pytest.fixture(scope='session')
def program(tmp_path_factory) -> pathlib.Path:
  """A program that calls the installed kernel without Python."""
  target = tmp_path_factory.mktemp('program') / 'call_kernel'
  file = library.path()
  run_path = f'-Wl,-rpath,{file.parent}'
  problems.compile_program(target, zig_compiler(), [file], run_path)
  return target


def sha256(array: np.ndarray) -> str:
  return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()


def check_hashes(images: np.ndarray, expected: dict, images_per_batch=None):
  config = LinacConfig(**expected['fields'], arithmetic='canonical')
  result = linac(images, config, images_per_batch)
  representation = result.representation
  actual = {
    'representation_float32': sha256(representation.astype('<f4')),
    'representation_float16': sha256(representation.astype('<f2')),
    'outputs': sha256(result.reconstruction),
    'losses': sha256(result.losses),
  }
  assert actual == {name: expected[name] for name in actual}
  losses = result.losses[0]
  assert [float(x).hex() for x in losses[:4]] == expected['first_losses']
  assert float(losses[-1]).hex() == expected['last_loss']


def case_id(expected: dict) -> str:
  return (
    ','.join(f'{k}={v}' for k, v in expected['fields'].items()) or 'default'
  )


@pytest.mark.parametrize('kernel', ['avx512', 'avx2'], indirect=True)
@pytest.mark.parametrize('expected', HASHES['synthetic'], ids=case_id)
def test_the_bits_of_drawn_images(kernel, expected):
  check_hashes(np.load(GOLDEN / 'float64_synthetic.npz')['images'], expected)


@pytest.mark.nightly
@pytest.mark.parametrize('kernel', ['portable'], indirect=True)
@pytest.mark.parametrize(
  'expected',
  [e for e in HASHES['synthetic'] if e['fields'].get('num_epochs')],
  ids=case_id,
)
def test_the_bits_of_short_fits_in_the_portable_kernel(kernel, expected):
  check_hashes(np.load(GOLDEN / 'float64_synthetic.npz')['images'], expected)


def test_the_bits_of_real_images(shared_data):
  golden = shared_data / 'golden'
  images = np.load(golden / 'float64_cifar10_test_0_7.npz')['images']
  for expected in json.loads((golden / 'canonical.json').read_text())[
    'cifar10_test_0_7'
  ]:
    check_hashes(images, expected)


@pytest.mark.parametrize('images_per_batch', [1, 3, 8])
def test_the_number_of_images_per_batch_changes_no_bit(images_per_batch):
  images = np.load(GOLDEN / 'float64_synthetic.npz')['images']
  (expected,) = [e for e in HASHES['synthetic'] if e['fields'].get('width')]
  check_hashes(images, expected, images_per_batch)


def test_one_core_gives_the_bits_of_all(images):
  expected = linac(images, COLOUR)
  cores = os.sched_getaffinity(0)
  threads = [int(t) for t in os.listdir('/proc/self/task')]
  try:
    for thread in threads:  # Those of XLA, too.
      os.sched_setaffinity(thread, {min(cores)})
    check_same(linac(images, COLOUR, len(images)), expected)
  finally:
    for thread in threads:
      os.sched_setaffinity(thread, cores)


def check_same(fit, expected):
  for name, value in vars(expected).items():
    np.testing.assert_array_equal(getattr(fit, name), value, name)


def test_every_number_of_a_tiny_fit(kernel):
  problem, expected = problems.tiny()
  height, width = 6, 8
  draws = draw(problem.config, (height, width, problem.targets.shape[-1]))
  results = fit(problem.targets, draws, problem.config)
  problems.check_bits([np.asarray(r) for r in results], expected)


# Heights, widths and pixels of a step. Steps of 32 pixels and more make panels.
SHAPES = [(2, 3, 1), (2, 3, 6), (7, 4, 7), (4, 6, 24), (6, 8, 48), (8, 8, 32)]
SHAPES += [(7, 14, 49), (10, 10, 100), (2, 2, 4), (3, 11, 33), (5, 13, 65)]


@st.composite
def fits(draw_value) -> tuple[np.ndarray, LinacConfig]:
  """Images and a config of any sizes."""
  pick = lambda *values: draw_value(st.sampled_from(values))  # noqa: E731
  height, width, batch_size = pick(*SHAPES)
  layers = pick(1, 2, 3)
  config = LinacConfig(
    arithmetic='canonical',
    seed=pick(0, 1, 2),
    num_layers=layers,
    width=pick(1, 2, 7, 8, 9, 16, 17, 33, 40, 64, 72, 100),
    num_features=pick(1, 2, 5, 10),
    use_bias=pick(True, False),
    representation_layer=draw_value(st.integers(0, layers)),
    num_epochs=pick(1, 2),
    batch_size=batch_size,
    learning_rate=pick(1e-3, 1e-2),
    b1=pick(0.9, 0.0),
    precision=pick('float32', 'float64'),
  )
  shape = (pick(1, 2, 3), height, width, pick(1, 3, 5))
  return np.random.default_rng(pick(0, 1, 2)).normal(size=shape), config


@hypothesis.settings(
  max_examples=25,
  suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
@given(case=fits())
def test_any_fit_has_the_bits_of_the_plain_program(kernel, plain, case):
  check_against(plain, *case)


def check_against(plain, images: np.ndarray, config: LinacConfig):
  result = linac(images, config)
  expected = problems.plain_fit(plain, Problem.of(images, config))
  actual = [result.representation, result.reconstruction, result.losses]
  for array, bits in zip(actual, expected, strict=True):
    np.testing.assert_array_equal(array.reshape(bits.shape), bits)
  return result


@pytest.mark.parametrize(
  'sizes',
  [
    dict(width=512, num_epochs=1, batch_size=64),
    dict(width=33, num_epochs=1, batch_size=1024),
    dict(width=256, num_epochs=1, batch_size=32, precision='float64'),
  ],
)
def test_large_fits_have_the_bits_of_the_plain_program(plain, sizes):
  images = np.load(GOLDEN / 'float64_synthetic.npz')['images'][:1]
  check_against(plain, images, dataclasses.replace(COLOUR, **sizes))


def test_a_fit_that_overflows_has_its_nans_in_the_same_places(
  kernel, plain, images
):
  config = dataclasses.replace(COLOUR, learning_rate=1e20)
  result = check_against(plain, images, config)
  assert np.isnan(result.losses).any()
  assert not np.isnan(result.losses).all()


def test_subnormal_numbers_are_kept(kernel, plain, images):
  # Each update is about 1e-39 times a learning rate of 1e38.
  config = dataclasses.replace(
    COLOUR, learning_rate=2.0**127, eps=2.0**127, decay_alpha=1
  )
  result = check_against(plain, images, config)
  fixed = dataclasses.replace(config, learning_rate=1.0)
  assert (result.losses != linac(images, fixed).losses).any()


def test_a_hostile_thread_changes_no_bit(program, kernel, plain):
  """Neither do tiny numbers, whose products round to -0, in any layer."""
  images = np.random.default_rng(0).normal(size=(3, 6, 8, 2))
  config = dataclasses.replace(SMALL, use_bias=False)
  for scale in (1, 1e-30, 1e-36):
    problem = Problem.of(images, config)
    problem.arguments[0] *= np.float32(scale)
    for weights in problem.arguments[4:]:
      weights *= np.float32(scale)
    expected = problems.plain_fit(plain, problem)
    for arguments in ((), ('hostile',)):
      results = problems.run_program(problem, program, *arguments)
      problems.check_bits(results, expected)


def test_x64_and_jit_change_no_bit(images):
  config = COLOUR
  pixels = encoding.normalise(images, config)
  draws = draw(config, images.shape[1:])
  expected = fit(pixels, draws, config)
  with jax.enable_x64(True):
    wide = fit(pixels, draws, config)
  jitted = jax.jit(lambda pixels, draws: fit(pixels, draws, config))
  for results in (wide, jitted(pixels, draws)):
    for actual, bits in zip(results, expected, strict=True):
      np.testing.assert_array_equal(actual, bits)


def test_a_fit_without_jit_has_the_same_bits(images):
  expected = linac(images, COLOUR)
  with jax.disable_jit():
    check_same(linac(images, COLOUR), expected)


def losses_of(images):
  return fit(images, draw(COLOUR, (8, 8, 3)), COLOUR)[2].sum()


@pytest.mark.parametrize('transform', [jax.grad, jax.vmap, jax.jacfwd])
def test_derivatives_and_vmap_are_refused_with_advice(transform):
  pixels = np.zeros((2, 64, 3), np.float32)
  if transform is jax.vmap:
    pixels = pixels[None]
  with pytest.raises(NotImplementedError, match="arithmetic='xla'"):
    transform(losses_of)(pixels)


def test_other_devices_are_refused_with_advice():
  program = jax.jit(losses_of).trace(np.zeros((2, 64, 3), np.float32))
  for platform in ('rocm', 'tpu'):
    with pytest.raises(CannotFitError, match=f"{platform}.*arithmetic='xla'"):
      program.lower(lowering_platforms=(platform,))


def test_without_a_gpu_there_is_no_program_for_one():
  program = jax.jit(losses_of).trace(np.zeros((2, 64, 3), np.float32))
  with pytest.raises(CannotFitError, match='JAX finds no NVIDIA GPU'):
    program.lower(lowering_platforms=('cuda',))


def test_the_portable_kernel_tells_its_speed_once(monkeypatch, images):
  monkeypatch.setenv('LINAC_KERNEL', 'portable')
  canonical._tell_speed.cache_clear()
  with pytest.warns(UserWarning, match=r'about [\d.]+ s for an image'):
    linac(images[:1], dataclasses.replace(COLOUR, width=5))
  # A second warning would be an error.
  linac(images[:1], dataclasses.replace(COLOUR, width=6))


def test_an_unknown_kernel_is_refused(monkeypatch, images):
  monkeypatch.setenv('LINAC_KERNEL', 'sse2')
  with pytest.raises(ValueError, match="LINAC_KERNEL='sse2'"):
    linac(images, dataclasses.replace(COLOUR, width=3))
