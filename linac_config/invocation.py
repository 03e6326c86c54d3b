"""The form in which messages name the commands of this project.

A user can start a command as `linac train` or as `python -m classifiers.train`.
Messages that tell the user to run a command use the same form.
"""

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
  """Makes `command` return the form `linac NAME` from now on."""
  global _started_by_linac
  _started_by_linac = True


def command(name: str) -> str:
  """Returns the text that the user types to start a command of this project.

  Args:
    name: The command's name after `linac`, such as `'build'`.

  Returns:
    `'linac build'` if the user started `linac`, and otherwise
    `'python -m pipelines.build'`.

  Raises:
    KeyError: if there is no command of this name.
  """
  module = COMMANDS[name]
  return f'linac {name}' if _started_by_linac else f'python -m {module}'
