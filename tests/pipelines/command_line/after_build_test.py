"""The messages after a build."""

import ast
import dataclasses

from pipelines.command_line import after_build


def test_the_lines_that_load_a_dataset_are_python(lab):
  folder = '/data/John\'s "own"'
  plan = dataclasses.replace(lab.plan(), data_dir=folder)
  text = after_build._load(plan).replace('\n  ', '\n').strip()
  values = [n.value for n in ast.walk(ast.parse(text)) if hasattr(n, 'value')]
  assert folder in values
