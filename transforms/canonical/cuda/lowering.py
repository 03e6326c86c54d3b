"""The call of a canonical fit on an NVIDIA GPU."""

from __future__ import annotations

import functools

import jax
import numpy as np

from linac_config.errors import CannotFitError

from .. import library
from . import card, program
from .schedule import Schedule, Sizes, choose_schedule

# The library's function, whose number stands for its arguments.
_TARGET = 'linac_fit_cuda_1'


def schedule_of(sizes: Sizes) -> Schedule:
  """Chooses the schedule of fits on this process's first GPU.

  Raises:
    CannotFitError: There is no NVIDIA GPU, or it or its driver is too old for
      the kernel.
  """
  try:
    device = jax.local_devices(backend='cuda')[0]
  except RuntimeError as error:
    kinds = ', '.join({device.device_kind for device in jax.devices()})
    raise CannotFitError(
      "A fit with arithmetic='canonical' runs on CPUs and NVIDIA GPUs, and JAX "
      f"finds no NVIDIA GPU, but {kinds}. Use a config with arithmetic='xla', "
      'or choose the CPU with the environment variable JAX_PLATFORMS=cpu.'
    ) from error
  ordinal = device.local_hardware_id or 0
  return choose_schedule(card.card(ordinal), card.kernels(), sizes)


def lower(
  ctx,
  *operands,
  use_bias: bool,
  representation_layer: int,
  schedule: Schedule | None,
):
  """Lowers the primitive of `..fit` for a GPU.

  Raises:
    CannotFitError: The GPU or its driver is too old for the kernel.
  """
  _register()
  schedule = schedule or schedule_of(_sizes(ctx.avals_in))
  return jax.ffi.ffi_lowering(_TARGET)(
    ctx,
    *operands,
    use_bias=np.int64(use_bias),
    representation_layer=np.int64(representation_layer),
    **{name: np.int64(n) for name, n in schedule._asdict().items()},
  )


def _sizes(avals) -> Sizes:
  """Reads the sizes of a fit from the types of the primitive's arguments."""
  targets, inputs, batches, _, _, first, *rest = avals
  return Sizes(
    targets.dtype.name,
    *batches.shape,
    *inputs.shape,
    first.shape[1],
    len(rest),
    targets.shape[-1],
  )


@functools.cache
def _register() -> None:
  """Makes the kernel known to JAX, at its first use."""
  compiled = library.load()
  # The library keeps the address, so the bytes stay with it.
  compiled.program = program.PROGRAM.read_bytes()
  compiled.linac_cuda_program(compiled.program)
  jax.ffi.register_ffi_target(
    _TARGET, jax.ffi.pycapsule(compiled.linac_fit_cuda_1), platform='CUDA'
  )
