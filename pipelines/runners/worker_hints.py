"""Checks the accelerator and the memory that the workers are to have.

Beam calls these two resource hints.
"""

from __future__ import annotations

import re

_ACCELERATOR = re.compile(r'type:[\w\-]+(;[\w.:\-]+)*', re.ASCII)
_RAM = re.compile(r'[1-9]\d*(\.\d+)?(MB|GB|TB|MiB|GiB|TiB)', re.ASCII)
_EXAMPLE = 'type:nvidia-l4;count:1;install-nvidia-driver'


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
