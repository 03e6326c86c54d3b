"""The flags of JAX and XLA under which fits run, whatever the caller's are."""

import contextlib
from collections.abc import Iterator

import jax


@contextlib.contextmanager
def own_flags(precision: str) -> Iterator[None]:
  """Sets those flags of JAX that could change bits or raise errors.

  The caller may have set others, or the environment, as JAX_DISABLE_JIT does. A
  fit that diverges is no error here, so JAX must not look for NaN.

  Args:
    precision: The precision of the fit, float32 or float64.
  """
  with (
    jax.enable_x64(precision == 'float64'),
    jax.disable_jit(False),
    jax.debug_nans(False),
    jax.debug_infs(False),
  ):
    yield


def compiler_options() -> dict[str, bool | int]:
  """Returns the options of XLA with which a fit is compiled."""
  # These are XLA's defaults. XLA_FLAGS and JAX_DISABLE_MOST_OPTIMIZATIONS could
  # set others, which change the bits of XLA's fits.
  options = {
    'xla_backend_optimization_level': 3,
    'xla_llvm_disable_expensive_passes': False,
  }
  if jax.default_backend() == 'cpu':
    options['xla_cpu_enable_fast_math'] = False
    # By default XLA uses vectors of 256 bits. Where a CPU has 512 bits, these
    # are a tenth faster.
    options['xla_cpu_prefer_vector_width'] = 512
  return options
