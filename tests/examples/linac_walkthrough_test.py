"""Tests that the notebook runs and was saved with its results."""

import nbclient
import nbformat
import pytest

from tests.conftest import REPOSITORY

PATH = REPOSITORY / 'examples' / 'linac_walkthrough.ipynb'


@pytest.fixture
def notebook():
  return nbformat.read(PATH, as_version=4)


def code_cells(notebook):
  return [cell for cell in notebook.cells if cell.cell_type == 'code']


def kinds_of(cell) -> set[str]:
  """Returns the media types that a cell shows, except plain text."""
  shown = (output.get('data', {}) for output in cell.outputs)
  return {kind for data in shown for kind in data} - {'text/plain'}


@pytest.mark.nightly
def test_it_runs_and_shows_what_was_saved(notebook, monkeypatch, tmp_path):
  monkeypatch.setenv('PYTHONPATH', str(REPOSITORY))
  monkeypatch.setenv('TMPDIR', str(tmp_path))  # The notebook builds data there.
  saved = [kinds_of(cell) for cell in code_cells(notebook)]
  nbclient.NotebookClient(
    notebook, timeout=600, resources={'metadata': {'path': str(PATH.parent)}}
  ).execute()
  assert [kinds_of(cell) for cell in code_cells(notebook)] == saved


def test_it_was_saved_with_its_pictures(notebook):
  cells = code_cells(notebook)
  assert [c.execution_count for c in cells] == list(range(1, len(cells) + 1))
  pictures = [cell for cell in cells if 'image/png' in kinds_of(cell)]
  assert len(pictures) == 3  # The losses, and figures 14 and 12 of the paper.
  assert PATH.stat().st_size < 1_500_000


def test_nothing_but_progress_went_to_standard_error(notebook):
  for cell in code_cells(notebook):
    for output in cell.outputs:
      assert output.output_type != 'error'
      if output.get('name') == 'stderr':
        assert 'Fitting' in output.text or not output.text.strip()
