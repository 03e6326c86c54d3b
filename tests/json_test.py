"""JSON that this project writes has no NaN or Infinity, which are no JSON."""

import ast

import pytest

from linac_config.shadowed import OURS
from tests.conftest import REPOSITORY


@pytest.mark.parametrize('package', OURS)
def test_all_json_is_written_without_nan(package):
  """Only with `allow_nan=False` does Python refuse to write them.

  A text that `json.loads` reads at once is not written.
  """
  for path in sorted((REPOSITORY / package).rglob('*.py')):
    calls = [
      node
      for node in ast.walk(ast.parse(path.read_text(encoding='utf-8')))
      if isinstance(node, ast.Call)
    ]
    copied = [
      argument
      for call in calls
      if ast.unparse(call.func) == 'json.loads'
      for argument in call.args
    ]
    for node in calls:
      writes = ast.unparse(node.func) in ('json.dump', 'json.dumps')
      if writes and node not in copied:
        assert 'allow_nan=False' in map(ast.unparse, node.keywords), (
          f'{path}:{node.lineno}'
        )
