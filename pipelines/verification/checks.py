"""Counts the items that a verification checked, and prints what is wrong."""

from __future__ import annotations

from pipelines.errors import printable

# The largest number of lines about failed items, and of problems in a line.
_MAX_LINES = 20
_MAX_DIFFERENCES = 4


class Check:
  """A check: the number of items checked so far, and what is wrong with them.

  It is one line of the table that `print_checks` prints.

  Attributes:
    name: The name of the check.
    unit: The kind of items that it counts, such as `'examples'`.
    skipped: The reason why the check is not made, or ''.
    note: More text for the end of the line.
    num_checked: The number of items checked so far.
    num_failed: The number of these that failed.
    num_lines: The number of lines about failed items.
    lines: The first of these lines; the rest are never printed.
  """

  def __init__(self, name: str, unit: str):
    self.name = name
    self.unit = unit
    self.skipped = ''
    self.note = ''
    self.num_checked = 0
    self.num_failed = 0
    self.num_lines = 0
    self.lines: list[str] = []

  def add(self, where: str, problems: list[str], count: int = 1) -> None:
    """Counts checked items, which failed if there are problems.

    Args:
      where: The place of the item, such as a file's name.
      problems: The problems of the item, or an empty list.
      count: The number of items that these problems are about.
    """
    self.num_checked += count
    if not problems:
      return
    self.num_failed += count
    self.num_lines += 1
    more = len(problems) - _MAX_DIFFERENCES
    text = '; '.join(problems[:_MAX_DIFFERENCES])
    text += f'; and {more} more' if more > 0 else ''
    if len(self.lines) < _MAX_LINES:
      self.lines.append(printable(f'{self.name}: {where}: {text}'))

  def __str__(self) -> str:
    if self.num_failed:
      result = 'FAILED'
      text = f'{self.num_failed} of {self.num_checked} {self.unit}'
    elif self.num_checked:
      result, text = 'ok', f'{self.num_checked} {self.unit}'
    else:
      return f'  {self.name:9}skipped  {printable(self.skipped)}'
    return f'  {self.name:9}{result:9}{text}{self.note}'


def differences(found, expected, name: str = '') -> list[str]:
  """The differences of two values, such as `psnr.train is 3, expected 4`.

  Args:
    found: The value that was found. Dicts are compared key by key.
    expected: The value that it should be.
    name: The name of the value; '' for a dict, whose keys are names.
  """
  if isinstance(found, dict) and isinstance(expected, dict):
    return [
      line
      for key in dict.fromkeys([*expected, *found])
      for line in differences(
        found.get(key), expected.get(key), f'{name}.{key}' if name else key
      )
    ]
  if found == expected:
    return []
  return [f'{name} is {found!r:.270}, expected {expected!r:.270}']


def print_checks(checks: list[Check]) -> None:
  """Prints the table of checks, and below it the first problems of each."""
  print('\n'.join(map(str, checks)))
  failed = [check for check in checks if check.num_failed]
  for check in failed:
    lines = check.lines[: _MAX_LINES // len(failed)]
    print(*lines, sep='\n')
    if check.num_lines > len(lines):
      print(f'{check.name}: and {check.num_lines - len(lines)} more')
