"""The error that says why a config cannot be fitted in this process."""


class CannotFitError(RuntimeError):
  """A fit is not possible here; the message says why and what to do.

  The device may not be able to do the config's arithmetic, or the compiled
  kernel is missing or does not fit its sources, this machine or the installed
  JAX.
  """
