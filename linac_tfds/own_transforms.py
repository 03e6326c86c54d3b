"""A second name for this project's package `transforms`.

It is used where a user's `transforms.py` hides the package. The files are the
same: `linac_tfds.own_transforms.transform` loads `transforms/transform.py`.
"""

import os

from linac_config import shadowed

# With this path, Python takes this module for a package and finds its modules.
__path__ = [os.path.join(shadowed.ROOT, 'transforms')]
