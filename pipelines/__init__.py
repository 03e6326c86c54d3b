"""The Beam pipeline that fits a dataset shard by shard.

Its modules `build`, `status`, `verify` and `report` are the commands. Each of
its packages is a room, whose docstring says what it is for and what it may
import.
"""

from linac_config import shadowed

# A user's module of one of these names would be imported in place of ours.
shadowed.check('transforms', 'linac_tfds')
