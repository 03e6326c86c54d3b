"""This project's `transforms`, by a name that no module of a user's hides.

The files are the same: `linac_tfds.own_transforms.transform` is that of
`transforms`, loaded once more, where a user's `transforms.py` is in its place.
"""

import os

from linac_config import shadowed

# It makes this module a package.
__path__ = [os.path.join(shadowed.ROOT, 'transforms')]
