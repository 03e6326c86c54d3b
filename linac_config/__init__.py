"""The transform's configuration, and what every package here must know.

It imports nothing of this project, and neither NumPy, TFDS nor JAX, so that
reading a dataset needs none of them. `LinacConfig` is public.
"""

__all__ = ['KeylessConfig', 'LinacConfig']


def __getattr__(name: str):
  if name not in __all__:
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
  # Late, so that `shadowed` can tell of modules that hide what it imports.
  from linac_config import config

  return getattr(config, name)
