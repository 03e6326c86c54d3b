"""What every command does before anything else."""

import logging
import os


def set_up() -> None:
  """Keeps libraries quiet and on one client for buckets.

  To be called before a dataset is opened.
  """
  # TFDS then uses the client that this project uses, not TensorFlow's, which
  # takes seconds to import.
  os.environ.setdefault('EPATH_USE_TF', 'false')
  # Beam and TFDS warn on being imported.
  logging.getLogger().setLevel(logging.ERROR)
