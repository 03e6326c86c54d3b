"""Puts together the sections of a report."""

from __future__ import annotations

from pipelines.dataset.read_published import PublishedDataset
from pipelines.reporting import gallery, quality
from pipelines.reporting.card import config_table
from pipelines.reporting.contents import Contents, shortened
from pipelines.reporting.page import Section, Table
from pipelines.reporting.refits import Refits
from pipelines.worker.write_shard import device_name


def make_sections(
  dataset: PublishedDataset,
  contents: Contents,
  refits: Refits | None,
  no_key: str,
) -> list[Section]:
  """All sections that can be shown, in order.

  Args:
    dataset: The dataset that the report is about.
    contents: The contents of the dataset.
    refits: The new fits of the drawn, best and worst examples; None if nothing
      was fitted again.
    no_key: The reason why nothing can be fitted with the dataset's key, or ''.
  """
  sections = [quality.quality(contents), quality.classes(dataset, contents)]
  if refits:
    sections.append(quality.losses(contents, refits))
  sections.append(gallery.representations(dataset, contents))
  if refits:
    sections.append(gallery.reconstructions(dataset, contents, refits))
  sections.append(gallery.extremes(dataset, contents, refits))
  if refits:
    sections.append(gallery.other_seed(dataset, contents, refits))
  return [*sections, _method(dataset, contents, refits, no_key)]


def _method(
  dataset: PublishedDataset,
  contents: Contents,
  refits: Refits | None,
  no_key: str,
) -> Section:
  """The last section, which says where the numbers of the page come from."""
  text = [
    'The PSNR and the final losses of all images are those that the manifests '
    'of the shards record. Labels and zeros are from the shards themselves: '
    f'{contents.coverage} '
  ]
  tables = [config_table(dataset)]
  if refits is None:
    text.append(
      f'Nothing was fitted again ({no_key or "as asked for"}). So the losses '
      'of all steps, the reconstructions and the fits under another seed are '
      'left out.'
    )
  else:
    text.append(_refits_text(refits))
    tables.append(_refit_table(contents, refits))
  if dataset.plan.private_key:
    text.append(
      'The key of this dataset is private, and this page does not tell it. But '
      'the page shows activations, with which anybody can check a guessed key. '
      'So keep it as private as the dataset.'
    )
  return Section(title='How this page was made', text=text, tables=tables)


def _refits_text(refits: Refits) -> str:
  """A text about the new fits: their number, speed and agreement."""
  fits = refits.fits.values()
  identical = sum(fit.identical for fit in fits)
  text = (
    f'{len(fits)} images were fitted again on {device_name()}, and '
    f'{len(refits.others)} of them under seed {refits.other_seed}, at '
    f'{refits.images_per_second:.1f} images/s in one process. {identical} of '
    'the fits are the stored representations to the bit'
  )
  if identical == len(fits):
    return f'{text}.'
  farthest = max(fit.distance for fit in fits)
  return (
    f'{text}; the largest distance from a stored one is {farthest:.2g} of the '
    'norm.'
  )


def _refit_table(contents: Contents, refits: Refits) -> Table:
  """The table of all images that were fitted again."""
  examples = {
    e['place']: e for e in (*contents.drawn, *contents.best, *contents.worst)
  }
  return Table(
    title='All images that were fitted again',
    header=['id', 'split', 'PSNR stored', 'PSNR here', 'distance'],
    rows=[
      [
        shortened(examples[place]['id']),
        place[0],
        f'{examples[place]["psnr"]:.2f}',
        f'{fit.psnr:.2f}',
        f'{fit.distance:.2g}',
      ]
      for place, fit in refits.fits.items()
    ],
  )
