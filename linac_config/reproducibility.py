"""The promise that each config makes about the bits of its fits, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
  from linac_config.config import KeylessConfig


def promise(config: KeylessConfig) -> str:
  """Returns a sentence that says where the same seed gives the same bits."""
  if config.arithmetic == 'canonical':
    return (
      'The same seed gives the same bits on every CPU, with any number of '
      'images per batch, threads and workers.'
    )
  if config.precision == 'float64':
    return (
      'The same seed gives the same bits on any machine after rounding to '
      'float16, except for about one image in 100,000.'
    )
  return (
    'The same seed gives other bits on other kinds of machines and with other '
    'batch sizes.'
  )
