"""The GPUs of this machine and the kernels, as the library describes them."""

from __future__ import annotations

import ctypes
import functools
from typing import NamedTuple

from linac_config.errors import CannotFitError

from .. import library

# The fused multiply-adds that a multiprocessor does in a cycle, by compute
# capability; see "Arithmetic Instructions" in NVIDIA's CUDA Programming Guide.
# Those that are not listed have the last row's.
_LANES = {
  75: {'float32': 64, 'float64': 2},
  80: {'float32': 64, 'float64': 32},
  90: {'float32': 128, 'float64': 64},
  100: {'float32': 128, 'float64': 64},
  0: {'float32': 128, 'float64': 2},
}


class Card(NamedTuple):
  """A GPU.

  A driver may give 0 for a clock or for the width of the bus. Estimates then
  assume a usual value, so such a GPU can be used, too.

  Attributes:
    name: The name of its model.
    capability: Its compute capability, ten times: 75 is Turing.
    multiprocessors: The number of its multiprocessors.
    shared_bytes_per_block: The shared memory that a block may have.
    shared_bytes_per_multiprocessor: The shared memory of a multiprocessor.
    l2_bytes: The size of the second-level cache.
    clock_khz: The highest clock.
    memory_clock_khz: The highest clock of the memory, which transfers twice in
      a cycle.
    memory_bus_bits: The width of the memory's bus.
  """

  name: str
  capability: int
  multiprocessors: int
  shared_bytes_per_block: int
  shared_bytes_per_multiprocessor: int
  l2_bytes: int
  clock_khz: int
  memory_clock_khz: int
  memory_bus_bits: int

  def bandwidth(self) -> float:
    """The bandwidth of the memory on paper, in bytes per second."""
    clock = 1000 * (self.memory_clock_khz or 5_000_000)
    return 2 * clock * (self.memory_bus_bits or 256) / 8

  def cycles(self) -> float:
    """The cycles per second of the multiprocessors on paper."""
    return 1000 * (self.clock_khz or 1_500_000)

  def multiprocessor_flops(self, precision: str) -> float:
    """The operations per second of a multiprocessor on paper."""
    lanes = _LANES.get(self.capability, _LANES[0])[precision]
    return 2 * lanes * self.cycles()


class Kernel(NamedTuple):
  """A compiled kernel.

  Attributes:
    name: Its name in the program.
    precision: The type of its numbers.
    columns: The columns of a layer that a block computes at once.
    threads: The threads of a block.
    shared_bytes: The shared memory of a block.
    blocks: The blocks that the registers of a multiprocessor hold.
  """

  name: str
  precision: str
  columns: int
  threads: int
  shared_bytes: int
  blocks: int


class _Card(ctypes.Structure):
  _fields_ = [('name', ctypes.c_char * 256)] + [
    (field, ctypes.c_int) for field in Card._fields[1:]
  ]


class _Kernel(ctypes.Structure):
  _fields_ = [
    (field, ctypes.c_char_p if i < 2 else ctypes.c_int)
    for i, field in enumerate(Kernel._fields)
  ]


@functools.cache
def card(ordinal: int) -> Card:
  """Describes a GPU, by its number among those that CUDA shows.

  Raises:
    CannotFitError: The GPU or its driver is too old for the kernel, or there is
      none. The message says which.
  """
  find = library.load().linac_cuda_card
  find.restype = ctypes.c_char_p
  found = _Card()
  reason = find(ordinal, ctypes.byref(found))
  if reason:
    raise CannotFitError(reason.decode())
  values = [getattr(found, field) for field in Card._fields]
  return Card(values[0].decode(), *values[1:])


@functools.cache
def kernels() -> tuple[Kernel, ...]:
  """Lists the kernels of the program."""
  find = library.load().linac_cuda_kernels
  find.restype = ctypes.POINTER(_Kernel)
  count = ctypes.c_int()
  table = find(ctypes.byref(count))
  rows = (
    [getattr(table[i], field) for field in Kernel._fields]
    for i in range(count.value)
  )
  return tuple(Kernel(a.decode(), b.decode(), *rest) for a, b, *rest in rows)
