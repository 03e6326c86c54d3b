"""Imports TensorFlow without the lines that it prints while it starts.

TensorFlow's libraries print to standard error, for example that there is no GPU
or which CPU instructions they use, and some of them do so before they read any
setting. So importing this module imports TensorFlow and discards everything
that is printed to standard error meanwhile. Exceptions are raised as usual.
"""

import os

import absl.logging

os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'  # JAX may have set another.
# TFDS would warn about its own use of TensorFlow.
absl.logging.set_verbosity(absl.logging.ERROR)

_stderr = os.dup(2)
with open(os.devnull, 'wb') as _null:
  os.dup2(_null.fileno(), 2)
try:
  import tensorflow  # noqa: F401
finally:
  os.dup2(_stderr, 2)
  os.close(_stderr)
