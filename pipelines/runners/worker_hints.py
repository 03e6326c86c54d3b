"""Checks what is asked of the machines that fit images.

Beam calls it resource hints: an accelerator, and a least size of memory.
"""

from __future__ import annotations

import re

_ACCELERATOR = re.compile(r'type:[\w\-]+(;[\w.:\-]+)*', re.ASCII)
_RAM = re.compile(r'[1-9]\d*(\.\d+)?(MB|GB|TB|MiB|GiB|TiB)', re.ASCII)
_EXAMPLE = 'type:nvidia-l4;count:1;install-nvidia-driver'


def check_hints(accelerator: str | None, worker_ram: str | None) -> None:
  """Refuses hints that would fail on a machine, after minutes.

  Raises:
    ValueError: naming the hint.
  """
  if accelerator is not None:
    _check_accelerator(accelerator)
  if worker_ram is not None and not _RAM.fullmatch(worker_ram):
    raise ValueError(
      f'worker_ram={worker_ram!r} is no size of memory, such as 16GB.'
    )


def _check_accelerator(accelerator: str) -> None:
  if not _ACCELERATOR.fullmatch(accelerator):
    raise ValueError(
      f'accelerator={accelerator!r} is none; it looks like {_EXAMPLE}.'
    )
  kind, *rest = accelerator.split(';')
  counts = [part for part in rest if part.startswith('count:')]
  if counts not in ([], ['count:1']):
    raise ValueError(
      f'accelerator={accelerator!r}: a worker uses one accelerator, count:1; '
      'ask for more workers with --max_num_workers.'
    )
  if kind.startswith('type:nvidia') and not any(
    part.startswith('install-nvidia-driver') for part in rest
  ):
    raise ValueError(
      f'accelerator={accelerator!r} comes without a driver; add '
      ';install-nvidia-driver.'
    )
