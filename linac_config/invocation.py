"""The commands, and how messages name them: in the form the user typed."""

# The module of each command of `linac`.
COMMANDS = {
  'build': 'pipelines.build',
  'status': 'pipelines.status',
  'verify': 'pipelines.verify',
  'report': 'pipelines.report',
  'train': 'classifiers.train',
  'evaluate': 'classifiers.evaluate',
  'attack': 'classifiers.attack',
  'import': 'classifiers.import_published',
}

_started_by_linac = False


def set_started_by_linac() -> None:
  """Has `command` name this process's commands as those of `linac`."""
  global _started_by_linac
  _started_by_linac = True


def command(name: str) -> str:
  """What to type for a command: `linac build`, `python -m pipelines.build`."""
  if _started_by_linac:
    return f'linac {name}'
  return f'python -m {COMMANDS[name]}'
