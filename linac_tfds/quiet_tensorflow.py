"""Imports TensorFlow without its start-up lines, when this is imported.

Its libraries tell on standard error that there is no GPU and which instructions
they use, some of it before they read any setting. What goes wrong with the
import itself is raised as ever.
"""

import os

import absl.logging

os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'  # JAX may have set another.
absl.logging.set_verbosity(absl.logging.ERROR)  # TFDS's advice to itself.

_stderr = os.dup(2)
with open(os.devnull, 'w') as _null:
  os.dup2(_null.fileno(), 2)
try:
  import tensorflow  # noqa: F401
finally:
  os.dup2(_stderr, 2)
  os.close(_stderr)
