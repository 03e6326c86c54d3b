"""Writes the page of a report: a card and sections, in a single HTML file."""

from __future__ import annotations

import dataclasses
import importlib.resources

import jinja2

from pipelines.dataset.read_published import PublishedDataset
from pipelines.reporting.pictures import Picture


@dataclasses.dataclass(frozen=True)
class Table:
  """A table of texts, in which the first column names the row.

  Attributes:
    header: The names of the columns.
    rows: The rows, with a text for each column.
    title: The title of a table that the reader has to unfold; '' for a table
      that is always shown.
  """

  header: list[str]
  rows: list[list[str]]
  title: str = ''


@dataclasses.dataclass(frozen=True)
class Section:
  """A section of the page.

  Attributes:
    title: The heading.
    text: The paragraphs.
    pictures: The pictures, each with its caption.
    tables: The tables, which are below the pictures.
  """

  title: str
  text: list[str]
  pictures: list[tuple[Picture, str]] = dataclasses.field(default_factory=list)
  tables: list[Table] = dataclasses.field(default_factory=list)


def render(
  dataset: PublishedDataset,
  card: list[tuple[str, str]],
  sections: list[Section],
) -> str:
  """The page as HTML text.

  Args:
    dataset: The dataset that the page is about.
    card: The rows of the card, each a name and a value.
    sections: The sections, in order.
  """
  environment = jinja2.Environment(
    # Ids and names of classes come from the source and may hold anything.
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
  )
  file = importlib.resources.files(__package__) / 'report.html.jinja'
  return environment.from_string(file.read_text(encoding='utf-8')).render(
    name=f'cifar10_linac/{dataset.plan.config_name}',
    version=dataset.plan.version,
    card=card,
    sections=sections,
  )
