"""Tests that messages name commands in the form that the user typed."""

import importlib.util

import pytest

from linac_config import invocation


@pytest.fixture
def started_by_linac(monkeypatch):
  """Makes this process look as if the user had started `linac`."""
  # `monkeypatch` restores the variable after the test; no function resets it.
  monkeypatch.setattr(invocation, '_started_by_linac', False)
  invocation.set_started_by_linac()


def test_commands_are_modules_by_default():
  assert invocation.command('build') == 'python -m pipelines.build'
  assert invocation.command('import') == (
    'python -m classifiers.import_published'
  )


def test_commands_are_those_of_linac_if_it_was_started(started_by_linac):
  assert invocation.command('build') == 'linac build'
  assert invocation.command('import') == 'linac import'


def test_every_command_is_a_module_of_this_project():
  for module in invocation.COMMANDS.values():
    assert importlib.util.find_spec(module), module


def test_a_command_that_does_not_exist_is_an_error():
  with pytest.raises(KeyError, match='fly'):
    invocation.command('fly')
