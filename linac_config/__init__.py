"""The transform's configuration, and the names of the datasets made with it.

It imports nothing of this project, and neither NumPy, TFDS nor JAX, so that
reading a dataset needs none of them. `LinacConfig` is public.
"""

from linac_config.config import KeylessConfig, LinacConfig

__all__ = ['KeylessConfig', 'LinacConfig']
