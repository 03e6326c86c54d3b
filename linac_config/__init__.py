"""The transform's configuration, and helpers that all packages here share.

`LinacConfig` is public. This package imports no other package of this project,
and neither NumPy, TFDS nor JAX, because reading a dataset must need none of
them here.
"""

__all__ = ['KeylessConfig', 'LinacConfig']


def __getattr__(name: str):
  if name not in __all__:
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
  # The import comes late, so that `shadowed` can first report modules that hide
  # others.
  from linac_config import config

  return getattr(config, name)
