"""What a verification counts, and how it says so."""

from __future__ import annotations

from pipelines.errors import printable

_MAX_LINES = 20
_MAX_DIFFERENCES = 4


class Check:
  """A line of the table: how many items were checked and what is wrong.

  Attributes:
    name: of the check.
    unit: the items it counts, such as `'examples'`.
    skipped: why it was not made, or empty.
    note: what else to say of it.
    num_checked: items so far.
    num_failed: of them.
    num_lines: about the failed items.
    lines: the first of them, no more than are ever printed.
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
    """Counts an item, or `count` of them; it is sound if it has no problems."""
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
  """What differs, key by key, such as `psnr.train is 3, expected 4`."""
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
  """Prints the table, and below it what failed."""
  print('\n'.join(map(str, checks)))
  failed = [check for check in checks if check.num_failed]
  for check in failed:
    lines = check.lines[: _MAX_LINES // len(failed)]
    print(*lines, sep='\n')
    if check.num_lines > len(lines):
      print(f'{check.name}: and {check.num_lines - len(lines)} more')
