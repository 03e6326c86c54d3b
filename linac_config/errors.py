"""The error of a process that cannot fit, and a test of what errors mean."""

import errno

# The errors of the system that say what is in a folder.
_CONTENTS = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR)


class CannotFitError(RuntimeError):
  """A fit is not possible here; the message says why and what to do.

  The device may not be able to do the config's arithmetic, or the compiled
  kernel is missing or does not fit its sources, this machine or the installed
  JAX.
  """


def is_about_contents(error: Exception) -> bool:
  """Whether an error can mean that the files which were read are damaged.

  Libraries raise errors of any class for damaged files, so callers catch all.
  An error of the system or of this process says nothing about the files: there
  may be no right to read them, no memory, no further thread or open file, no
  place for a temporary file, or a package may be missing.

  Args:
    error: An error that a library raised while it read files.
  """
  if isinstance(error, OSError):
    # TFDS raises errors without a number for what it does not find in a folder.
    return error.errno is None or (
      error.errno in _CONTENTS and error.filename is not None
    )
  if isinstance(error, MemoryError | ImportError | Warning):
    return False
  return "can't start new thread" not in str(error)
