"""The canonical fit as a JAX operation, computed by our own kernel.

The kernel is C++ in the folder `source`. It is called through JAX's foreign
function interface, so a fit can be part of a jitted program.
"""

from __future__ import annotations

import functools
import os
import time
import warnings
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jaxtyping import Array, Float

from linac_config.config import LinacConfig
from linac_config.errors import CannotFitError

from ..draws import AnyArray, Draws, draw
from . import library
from .cuda import lowering
from .cuda.schedule import Schedule
from .step_numbers import constants, step_numbers

# The name of the library's function, whose number stands for its arguments.
_TARGET = 'linac_fit_1'


def canonical_fit(
  pixels: Float[AnyArray, 'n pixels channels'],
  draws: Draws,
  config: LinacConfig,
  schedule: Schedule | None = None,
) -> tuple[
  Float[Array, 'n pixels units'],
  Float[Array, 'n pixels channels'],
  Float[Array, 'n steps'],
]:
  """Fits a network to each image; arguments and results are those of `fit`.

  On CPUs, all cores that the process may use share the images.

  Args:
    pixels: See `fit`.
    draws: See `fit`.
    config: See `fit`.
    schedule: The division of the work on a GPU, for measuring. The default is
      the one that should be fastest.
  """
  kernel = kernel_name()  # Refuses one that does not run here.
  _register()
  if kernel == 'portable':
    _tell_speed()
  return tuple(
    _call(
      *arguments_of(pixels, draws, config),
      use_bias=config.use_bias,
      representation_layer=config.representation_layer,
      schedule=schedule,
    )
  )


def arguments_of(
  pixels: AnyArray,
  draws: Draws,
  config: LinacConfig,
  as_array: Callable[..., AnyArray] = jnp.asarray,
) -> list[AnyArray]:
  """Returns the arguments of the kernel, see `Batch` in `source/call.h`.

  Args:
    pixels: The normalised images.
    draws: The draws of the fits.
    config: The transform.
    as_array: A function that makes an array of a given dtype.
  """
  batches = draws.batches(config.batch_size)
  numbers = [
    pixels,
    draws.inputs,
    step_numbers(config, len(batches)),
    constants(config),
    *draws.weights,
  ]
  dtype = np.dtype(config.precision)
  arguments = [as_array(number, dtype) for number in numbers]
  arguments.insert(2, as_array(batches, np.int32))
  return arguments


def kernel_name() -> str:
  """The kernel that fits run with in this process: avx512, avx2 or portable.

  Raises:
    ValueError: if the CPU does not run the kernel that LINAC_KERNEL names.
    CannotFitError: if the kernel is missing or does not fit the installed JAX.
  """
  name = library.load().linac_kernel()
  if name is None:
    raise ValueError(
      f'LINAC_KERNEL={os.environ["LINAC_KERNEL"]!r} names no kernel that runs '
      'on this CPU; unset it, or choose one of avx512, avx2 and portable that '
      'the CPU has the instructions for.'
    )
  return name.decode()


_fit = Primitive('linac_canonical_fit')
_fit.multiple_results = True


@functools.partial(
  jax.jit, static_argnames=('use_bias', 'representation_layer', 'schedule')
)
def _call(*arguments, **parameters):
  return _fit.bind(*arguments, **parameters)


@_fit.def_impl
def _evaluate(*arguments, **parameters):
  with jax.disable_jit(False):  # Without jit, JAX could not call the kernel.
    return _call(*arguments, **parameters)


@_fit.def_abstract_eval
def _shapes(
  targets,
  inputs,
  batches,
  factors,
  constants,
  *weights,
  representation_layer,
  **parameters,
):
  n, pixels, channels = targets.shape
  units = weights[representation_layer].shape[1]
  return [
    targets.update(shape=(n, pixels, units)),
    targets.update(shape=(n, pixels, channels)),
    targets.update(shape=(n, batches.shape[0])),
  ]


def _lower_on_cpu(
  ctx, *operands, use_bias, representation_layer, schedule=None
):
  return jax.ffi.ffi_lowering(_TARGET)(
    ctx,
    *operands,
    use_bias=np.int64(use_bias),
    representation_layer=np.int64(representation_layer),
  )


def _refuse_device(ctx, *operands, **parameters):
  platforms = ', '.join(ctx.module_context.platforms)
  raise CannotFitError(
    "A fit with arithmetic='canonical' runs on CPUs and NVIDIA GPUs, but not "
    f"on {platforms}. Use a config with arithmetic='xla', or choose the CPU "
    'with the environment variable JAX_PLATFORMS=cpu.'
  )


def _refuse_derivative(primals, tangents, **parameters):
  raise NotImplementedError(
    "A fit with arithmetic='canonical' has no derivative. Differentiate the "
    "fit of a config with arithmetic='xla'."
  )


def _refuse_vmap(arguments, axes, **parameters):
  raise NotImplementedError(
    "A fit with arithmetic='canonical' cannot be vmapped, because it takes a "
    'batch of images already. Pass all images in one call, or use a config '
    "with arithmetic='xla'."
  )


mlir.register_lowering(_fit, _lower_on_cpu, platform='cpu')
mlir.register_lowering(_fit, lowering.lower, platform='cuda')
mlir.register_lowering(_fit, _refuse_device)
ad.primitive_jvps[_fit] = _refuse_derivative
batching.primitive_batchers[_fit] = _refuse_vmap


@functools.cache
def _register() -> None:
  """Makes the kernel known to JAX, at its first use."""
  jax.ffi.register_ffi_target(
    _TARGET, jax.ffi.pycapsule(library.load().linac_fit_1), platform='cpu'
  )


@functools.cache
def _tell_speed() -> None:
  """Warns once that the portable kernel is slow, with the rate to expect."""
  config, shape = LinacConfig(width=64, num_epochs=1), (8, 8, 3)
  draws = draw(config, shape)
  pixels = np.zeros((1, 64, 3), np.float32)
  with jax.ensure_compile_time_eval():
    arguments = arguments_of(pixels, draws, config)
    fit = functools.partial(
      _call, use_bias=True, representation_layer=0, schedule=None
    )
    jax.block_until_ready(fit(*arguments))  # This compiles.
    start = time.perf_counter()
    jax.block_until_ready(fit(*arguments))
    seconds = time.perf_counter() - start
  seconds *= LinacConfig().flops((32, 32, 3)) / config.flops(shape)
  warnings.warn(
    'This process fits with the portable kernel, because its CPU has no AVX2 '
    'or LINAC_KERNEL asks for it. Here, a core takes about '
    f'{seconds:.2g} s for an image of CIFAR-10 and the default config.',
    stacklevel=3,
  )
