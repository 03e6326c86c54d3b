import importlib.util

import pytest

from linac_config import invocation


@pytest.mark.parametrize('name', invocation.COMMANDS)
def test_a_command_is_named_as_it_was_typed(name, monkeypatch):
  monkeypatch.setattr(invocation, '_started_by_linac', False)
  module = invocation.COMMANDS[name]
  assert importlib.util.find_spec(module)
  assert invocation.command(name) == f'python -m {module}'
  invocation.set_started_by_linac()
  assert invocation.command(name) == f'linac {name}'
