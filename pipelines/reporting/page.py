"""The report's page: a card and sections, in one file that needs no other."""

from __future__ import annotations

import dataclasses
import importlib.resources

import jinja2

from pipelines.dataset.read_published import PublishedDataset
from pipelines.reporting.pictures import Picture


@dataclasses.dataclass(frozen=True)
class Table:
  """Rows of text; the first column names the row.

  Attributes:
    header: a name per column.
    rows: as many texts each.
    title: of a table that is folded away; empty if it is open.
  """

  header: list[str]
  rows: list[list[str]]
  title: str = ''


@dataclasses.dataclass(frozen=True)
class Section:
  """A part of the page.

  Attributes:
    title: its heading.
    text: paragraphs.
    pictures: each with its caption.
    tables: below the pictures.
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
  """The page as HTML.

  Args:
    dataset: that it is about.
    card: names and values.
    sections: the rest, in order.
  """
  environment = jinja2.Environment(
    autoescape=True,  # Ids and names of classes are the source's.
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
  )
  file = importlib.resources.files(__package__) / 'report.html.jinja'
  return environment.from_string(file.read_text()).render(
    name=f'cifar10_linac/{dataset.plan.config_name}',
    version=dataset.plan.version,
    card=card,
    sections=sections,
  )
