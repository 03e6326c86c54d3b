import dataclasses
import hashlib
import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from transforms import LinacConfig, draw, encoding, fit, inr, linac, start_fit

SMALL = LinacConfig(
  seed=3,
  num_layers=2,
  width=16,
  num_features=2,
  representation_layer=1,
  num_epochs=3,
  batch_size=8,
)
EXACT = dataclasses.replace(SMALL, precision='float64')
EXACT_XLA = dataclasses.replace(EXACT, arithmetic='xla')


def same(a, b) -> bool:
  return all(
    np.array_equal(x, y)
    for x, y in zip(vars(a).values(), vars(b).values(), strict=True)
  )


def test_parameter_counts_are_the_papers():
  config = LinacConfig()
  params = inr.initial_params(draw(config, (32, 32, 3)), config, jnp.float32)
  sizes = {
    name: sum(p.size for p in layer.values())
    for name, layer in params['params'].items()
  }
  assert sum(sizes.values()) == 269_315
  assert sum(sizes[f'layer_{i}'] for i in range(3)) == 136_960


@pytest.mark.parametrize('shape', [(2, 32, 32, 3), (1, 4, 6, 1), (3, 6, 4, 2)])
@pytest.mark.parametrize('precision', ['float32', 'float64'])
def test_shapes_and_dtypes(shape, precision):
  config = dataclasses.replace(SMALL, precision=precision)
  images = np.random.default_rng(0).normal(size=shape).astype(np.float32)
  result = linac(images, config)
  pixels = shape[1] * shape[2]
  assert result.representation.shape == (*shape[:3], 16)
  assert result.reconstruction.shape == shape
  assert result.losses.shape == (shape[0], 3 * pixels // 8)
  assert result.psnr.shape == shape[:1]
  assert result.representation.dtype == precision
  assert result.losses.dtype == precision


def test_the_fit_learns(images):
  result = linac(
    images,
    dataclasses.replace(SMALL, width=64, num_epochs=100, learning_rate=1e-2),
  )
  assert (
    result.losses[:, -8:].mean(1) < result.losses[:, :8].mean(1) / 3
  ).all()


def test_losses_and_psnr_are_of_the_fitted_images(images):
  result = linac(images, EXACT)
  pixels = encoding.normalise(images, EXACT).reshape(images.shape)
  unnormalised = result.reconstruction * EXACT.std + EXACT.mean
  mse = np.mean((unnormalised - images / 255) ** 2, axis=(1, 2, 3))
  np.testing.assert_allclose(result.psnr, -10 * np.log10(mse), atol=1e-4)
  # The first loss is that of the initial network on the first pixel batch.
  draws = draw(EXACT, images.shape[1:])
  with jax.enable_x64(True):
    outputs, _ = inr.INR(EXACT, 3).apply(
      inr.initial_params(draws, EXACT, jnp.float64),
      jnp.asarray(draws.inputs, jnp.float64),
    )
  batch = draws.batches(8)[0]
  errors = (np.asarray(outputs) - pixels.reshape(5, 64, 3))[:, batch]
  np.testing.assert_allclose(
    result.losses[:, 0], np.square(errors).sum(-1).mean(-1), rtol=1e-12
  )


def test_every_field_is_live(images):
  """Each field of the config changes the result.

  The arithmetic is left out, because it changes at most the last bits.
  """
  changes = dict(
    seed=4,
    key_derivation='full',
    num_layers=3,
    width=24,
    num_features=3,
    use_bias=False,
    activation='tanh',
    representation_layer=0,
    num_epochs=4,
    batch_size=16,
    learning_rate=2e-3,
    b1=0.8,
    b2=0.9,
    eps=1e-3,
    decay_alpha=0.5,
    precision='float32',
    mean=(0.5, 0.5, 0.5),
    std=(0.5, 0.5, 0.5),
  )
  fields = {f.name for f in dataclasses.fields(LinacConfig)}
  assert set(changes) == fields - {'arithmetic'}
  base = dataclasses.replace(EXACT_XLA, seed=2**40 + 3)
  expected = linac(images[:1], base).representation
  for name, value in changes.items():
    config = dataclasses.replace(base, **{name: value})
    result = linac(images[:1], config).representation
    assert not np.array_equal(result, expected), name


@pytest.mark.parametrize('activation', ['relu', 'tanh', 'gelu', 'silu', 'sin'])
def test_activations(images, activation):
  config = dataclasses.replace(EXACT_XLA, activation=activation)
  result = linac(images, config)
  assert np.isfinite(result.representation).all()
  assert (result.representation.min() >= 0) == (activation == 'relu')


def test_the_last_layer_is_the_reconstruction(images):
  result = linac(images, dataclasses.replace(EXACT, representation_layer=2))
  np.testing.assert_array_equal(result.representation, result.reconstruction)


@pytest.mark.parametrize('precision', ['float32', 'float64'])
def test_an_image_does_not_depend_on_its_batch(images, precision):
  config = dataclasses.replace(SMALL, precision=precision)
  together = linac(images, config, images_per_batch=4)
  np.testing.assert_array_equal(
    linac(images[::-1], config, images_per_batch=4).representation[::-1],
    together.representation,
  )
  alone = [
    linac(images[i : i + 1], config, images_per_batch=4).representation[0]
    for i in range(len(images))
  ]
  np.testing.assert_array_equal(together.representation, alone)


@pytest.mark.parametrize('images_per_batch', [1, 2, 5, 16])
def test_float64_does_not_depend_on_the_batch_size(images, images_per_batch):
  expected = linac(images, EXACT_XLA).representation.astype(np.float16)
  result = linac(images, EXACT_XLA, images_per_batch).representation
  np.testing.assert_array_equal(result.astype(np.float16), expected)


def test_float64_vectorised_and_mapped_fits_agree(images):
  config = EXACT_XLA
  pixels = encoding.normalise(images, config)
  draws = draw(config, images.shape[1:])
  with jax.enable_x64(True):
    vectorised = jax.jit(jax.vmap(lambda p: fit(p[None], draws, config)[0][0]))(
      pixels
    )
  mapped = linac(images, config).representation
  np.testing.assert_array_equal(
    np.asarray(vectorised, np.float16).reshape(mapped.shape),
    mapped.astype(np.float16),
  )


@pytest.mark.parametrize(
  'flag',
  [
    jax.enable_x64(True),
    jax.enable_x64(False),
    jax.threefry_partitionable(True),
    jax.threefry_partitionable(False),
    jax.default_matmul_precision('bfloat16'),
    jax.numpy_dtype_promotion('standard'),
    jax.default_prng_impl('rbg'),
  ],
  ids=[
    'x64',
    'no_x64',
    'partitionable',
    'not_partitionable',
    'bfloat16',
    'promotion',
    'rbg',
  ],
)
@pytest.mark.parametrize('precision', ['float32', 'float64'])
def test_no_flag_of_the_caller_changes_the_bits(images, flag, precision):
  config = dataclasses.replace(SMALL, precision=precision)
  expected = linac(images, config)
  # The program is compiled again, so that the flag could change it.
  jax.clear_caches()
  with flag:
    assert same(linac(images, config), expected)


def test_products_are_never_rounded_to_less_than_float32(images):
  """Reads the precision in the program, since on a CPU it has no effect."""
  config = dataclasses.replace(SMALL, arithmetic='xla')
  pixels = encoding.normalise(images, config)
  draws = draw(config, images.shape[1:])
  with jax.default_matmul_precision('bfloat16'):
    program = str(jax.make_jaxpr(lambda p: fit(p, draws, config))(pixels))
  products = program.count('dot_general[')
  assert products > 8
  assert program.count('precision=(Precision.HIGHEST, Precision.HIGHEST)') == (
    products
  )


def test_importing_and_running_changes_no_jax_state():
  run_python("""
      import jax, numpy as np
      before = dict(jax.config.values)
      from transforms import LinacConfig, linac
      linac(np.zeros((1, 4, 4, 3), np.uint8),
            LinacConfig(width=8, batch_size=16, precision='float64'))
      assert dict(jax.config.values) == before
      """)


def test_the_config_is_imported_without_jax():
  run_python("""
      import sys
      sys.modules['jax'] = sys.modules['numpy'] = None
      from transforms import LinacConfig
      LinacConfig()
      """)


def test_float64_bits_are_those_of_another_instruction_set(images, tmp_path):
  np.save(tmp_path / 'images.npy', images)
  printed = run_python(
    f"""
      import hashlib, numpy as np
      from transforms import LinacConfig, linac
      images = np.load({str(tmp_path / 'images.npy')!r})
      result = linac(images, {EXACT_XLA!r})
      bits = result.representation.astype('<f2').tobytes()
      print(hashlib.sha256(bits).hexdigest())
      """,
    XLA_FLAGS='--xla_cpu_max_isa=AVX2',
  )
  bits = linac(images, EXACT_XLA).representation.astype('<f2').tobytes()
  assert printed.strip() == hashlib.sha256(bits).hexdigest()


@pytest.mark.parametrize(
  'variables',
  [
    {'JAX_DISABLE_JIT': '1', 'JAX_DEBUG_NANS': '1', 'JAX_DEBUG_INFS': '1'},
    {
      'JAX_DISABLE_MOST_OPTIMIZATIONS': '1',
      'XLA_FLAGS': '--xla_cpu_enable_fast_math=true',
    },
  ],
)
def test_no_variable_of_the_environment_changes_a_fit(
  images, tmp_path, variables
):
  np.save(tmp_path / 'images.npy', images)
  config = dataclasses.replace(SMALL, arithmetic='xla', num_epochs=3)
  code = f"""
      import dataclasses, hashlib, numpy as np
      from transforms import LinacConfig, linac
      images = np.load({str(tmp_path / 'images.npy')!r})
      config = {config!r}
      bits = linac(images, config).representation.tobytes()
      print(hashlib.sha256(bits).hexdigest())
      for arithmetic in 'xla', 'canonical':
        diverges = dataclasses.replace(
          config, arithmetic=arithmetic, learning_rate=1e30
        )
        assert not np.isfinite(linac(images, diverges).losses).all()
      """
  assert run_python(code, **variables) == run_python(code)


@pytest.mark.parametrize(
  ('images', 'config', 'message'),
  [
    (np.zeros((8, 8, 3), np.uint8), SMALL, r'shape \(8, 8, 3\)'),
    (np.zeros((0, 8, 8, 3), np.uint8), SMALL, r'\(0, 8, 8, 3\)'),
    (np.zeros((1, 0, 8, 3), np.uint8), SMALL, r'\(1, 0, 8, 3\)'),
    (np.zeros((1, 8, 8, 3), np.int64), SMALL, 'int64'),
    (np.full((2, 8, 8, 3), [[[[0]]], [[[np.nan]]]]), SMALL, r'images \[1\]'),
    (np.full((1, 8, 8, 3), np.inf), SMALL, 'infinity'),
    (np.full((1, 8, 8, 3), 1e300), SMALL, 'beyond float32'),
    (np.zeros((1, 3, 5, 3), np.uint8), SMALL, 'batch_size=8 .* 15 pixels'),
    (np.zeros((1, 8, 8, 1), np.uint8), SMALL, 'mean=.* 1 channel'),
    (
      np.zeros((1, 8, 8, 3), np.uint8),
      dataclasses.replace(SMALL, std=None),
      'std=None',
    ),
  ],
)
def test_bad_images_are_refused(images, config, message):
  with pytest.raises(ValueError, match=message):
    linac(images, config)


@pytest.mark.parametrize('transform', [jax.jit, jax.vmap, jax.grad])
def test_a_traced_call_is_refused_in_words(images, transform):
  fitted = transform(lambda x: linac(x, SMALL).representation)
  with pytest.raises(TypeError, match='inside jax.jit, vmap or grad'):
    fitted(images.astype(np.float32))


def test_a_batch_needs_an_image(images):
  with pytest.raises(ValueError, match='images_per_batch=0'):
    linac(images, SMALL, images_per_batch=0)


def test_a_float64_fit_is_never_done_in_float32(images):
  with pytest.raises(ValueError, match='enable_x64'):
    fit(encoding.normalise(images, EXACT), draw(EXACT, (8, 8, 3)), EXACT)


def test_float_images_are_taken_as_normalised(images):
  pixels = encoding.normalise(images, EXACT).reshape(images.shape)
  assert same(linac(pixels, EXACT), linac(images, EXACT))
  constants_do_not_matter = dataclasses.replace(EXACT, mean=None, std=None)
  np.testing.assert_array_equal(
    linac(pixels, constants_do_not_matter).representation,
    linac(pixels, EXACT).representation,
  )


def run_python(code: str, **environment: str) -> str:
  """Runs a program in a fresh interpreter; returns what it printed."""
  code = '\n'.join(line[6:] for line in code.splitlines())
  return subprocess.run(
    [sys.executable, '-c', code],
    check=True,
    text=True,
    stdout=subprocess.PIPE,
    env=os.environ | environment,
  ).stdout


@pytest.mark.parametrize(
  ('precision', 'on_device'),
  [('float32', np.float16), ('float64', np.float64)],
)
def test_a_representation_is_rounded_once(images, precision, on_device):
  """NumPy rounds float64 once; XLA would round it to float32 first."""
  size = len(images)
  config = dataclasses.replace(EXACT_XLA, precision=precision)
  started = start_fit(images, config, size, 'float16')
  assert started.arrays[0].dtype == on_device
  expected = linac(images, config, size).representation
  np.testing.assert_array_equal(
    started.result().representation, expected.astype(np.float16)
  )
