"""The Beam pipeline that fits a dataset shard by shard."""

from linac_config import shadowed

shadowed.check('transforms', 'linac_tfds')
