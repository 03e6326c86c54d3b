"""What a report says and shows of a dataset, section by section."""

from __future__ import annotations

from pipelines.dataset.read_published import PublishedDataset
from pipelines.reporting import gallery, quality
from pipelines.reporting.card import config_table
from pipelines.reporting.contents import Contents
from pipelines.reporting.page import Section, Table
from pipelines.reporting.refits import Refits
from pipelines.worker.write_shard import device_kind


def make_sections(
  dataset: PublishedDataset,
  contents: Contents,
  refits: Refits | None,
  no_key: str,
) -> list[Section]:
  """All sections that can be shown.

  Args:
    dataset: that they are about.
    contents: of its files.
    refits: of its drawn, best and worst examples; None if there are none.
    no_key: why there are none, or empty.
  """
  sections = [quality.quality(contents), quality.classes(dataset, contents)]
  if refits:
    sections.append(quality.losses(contents, refits))
  sections.append(gallery.representations(dataset, contents, refits))
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
  text = [
    'PSNR and final losses of all images are those in the manifests of the '
    f'shards. Labels and zeros: {contents.coverage} '
  ]
  tables = [config_table(dataset)]
  if refits is None:
    text.append(
      f'Nothing was fitted again ({no_key or "as asked for"}): losses against '
      'the step, reconstructions and another seed are left out.'
    )
  else:
    text.append(_refits_text(refits))
    tables.append(_refit_table(contents, refits))
  if dataset.plan.private_key:
    text.append(
      'The key of this dataset is private, and this page does not tell it. But '
      'the page shows activations, which let a guessed key be checked: keep it '
      'as private as the dataset.'
    )
  return Section(title='How this page was made', text=text, tables=tables)


def _refits_text(refits: Refits) -> str:
  fits = refits.fits.values()
  identical = sum(fit.identical for fit in fits)
  text = (
    f'{len(fits)} images were fitted again on {device_kind()}, and '
    f'{len(refits.others)} of them under seed {refits.other_seed}, at '
    f'{refits.images_per_second:.1f} images/s in one process. {identical} of '
    'the fits are the stored representations to the bit'
  )
  if identical == len(fits):
    return f'{text}.'
  farthest = max(fit.distance for fit in fits)
  return (
    f'{text}; the farthest is {farthest:.2g} of its norm away. float32 fits '
    'differ between machines and programs.'
  )


def _refit_table(contents: Contents, refits: Refits) -> Table:
  examples = {
    e['place']: e for e in (*contents.drawn, *contents.best, *contents.worst)
  }
  return Table(
    title='All images that were fitted again',
    header=['id', 'split', 'PSNR stored', 'PSNR here', 'distance'],
    rows=[
      [
        examples[place]['id'],
        place[0],
        f'{examples[place]["psnr"]:.2f}',
        f'{fit.psnr:.2f}',
        f'{fit.distance:.2g}',
      ]
      for place, fit in refits.fits.items()
    ],
  )
