"""Checks the accelerator and the memory that the workers are to have.

Beam calls these two resource hints.
"""

from __future__ import annotations

import re

_ACCELERATOR = re.compile(r'type:[\w\-]+(;[\w.:\-]+)*', re.ASCII)
_RAM = re.compile(r'[1-9]\d*(\.\d+)?(MB|GB|TB|MiB|GiB|TiB)', re.ASCII)
_EXAMPLE = 'type:nvidia-l4;count:1;install-nvidia-driver'
# What Google Cloud offers and the canonical kernel does not run on. The GPUs
# have a compute capability of less than 7.5.
_NOT_CANONICAL = re.compile(r'type:(tpu.*|nvidia-tesla-(k80|p4|p100|v100))')


def check_hints(accelerator: str | None, worker_ram: str | None) -> None:
  """Refuses hints that would fail only minutes later, when a worker starts.

  Args:
    accelerator: The accelerator, such as
      `'type:nvidia-l4;count:1;install-nvidia-driver'`, or None.
    worker_ram: The least memory, such as `'16GB'`, or None.

  Raises:
    ValueError: if a hint is wrong; the message names it and its value.
  """
  if accelerator is not None:
    _check_accelerator(accelerator)
  if worker_ram is not None and not _RAM.fullmatch(worker_ram):
    raise ValueError(
      f'worker_ram={worker_ram!r} is no size of memory; write it as in 16GB.'
    )


def _check_accelerator(accelerator: str) -> None:
  """Raises ValueError if a worker could not use this accelerator."""
  if not _ACCELERATOR.fullmatch(accelerator):
    raise ValueError(
      f'accelerator={accelerator!r} is no accelerator; write it as in '
      f'{_EXAMPLE}.'
    )
  kind, *rest = accelerator.split(';')
  counts = [part for part in rest if part.startswith('count:')]
  if counts not in ([], ['count:1']):
    raise ValueError(
      f'accelerator={accelerator!r}: a worker uses one accelerator. Write '
      'count:1, and ask for more workers with --max_num_workers.'
    )
  if kind.startswith('type:nvidia') and not any(
    part.startswith('install-nvidia-driver') for part in rest
  ):
    raise ValueError(
      f'accelerator={accelerator!r} comes without a driver; add '
      ';install-nvidia-driver.'
    )


def check_canonical(accelerator: str) -> None:
  """Refuses an accelerator that cannot compute canonical arithmetic.

  Args:
    accelerator: The accelerator, as for `check_hints`.

  Raises:
    ValueError: if it is a TPU or too old a GPU; the message names it.
  """
  if _NOT_CANONICAL.fullmatch(accelerator.split(';')[0]):
    raise ValueError(
      f"accelerator={accelerator!r} cannot compute arithmetic='canonical', "
      'which needs CPUs or NVIDIA GPUs of compute capability 7.5 or newer, '
      'such as a T4. Pass --arithmetic=xla, or another --accelerator.'
    )
