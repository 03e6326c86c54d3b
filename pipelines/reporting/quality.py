"""The sections of a report about the quality of the fits.

They show the PSNR and the loss, in numbers and charts.
"""

from __future__ import annotations

import numpy as np

from pipelines.dataset.read_published import PublishedDataset
from pipelines.reporting import charts
from pipelines.reporting.contents import Contents, class_name
from pipelines.reporting.page import Section, Table
from pipelines.reporting.pictures import picture
from pipelines.reporting.refits import Refits

# The largest numbers of classes and of splits in a chart. There is a colour for
# each of these splits.
_MAX_CLASSES = 20
_MAX_SPLITS = 4
_PSNR, _LOSS = 'PSNR in dB', 'Loss of the last step'


def quality(contents: Contents) -> Section:
  """The section about PSNR and final loss of all images."""
  psnr = {split: m.psnr for split, m in contents.measures.items()}
  loss = {split: m.final_loss for split, m in contents.measures.items()}
  shown = _shown_splits(contents)
  medians = ', '.join(
    f'{split} {np.median(psnr[split]):.2f} dB' for split in shown
  )
  return Section(
    title='Quality of the fits',
    text=[
      f'Median PSNR: {medians}{_more(contents)}. The PSNR compares the '
      'reconstruction of all pixels with the image, both scaled to [0, 1]. The '
      'final loss is the loss of the last step, on its batch of pixels.'
    ],
    pictures=[
      (
        picture(
          'psnr',
          f'Histogram of PSNR by split; median {medians}.',
          charts.histogram,
          *({split: psnr[split] for split in shown}, _PSNR),
        ),
        'PSNR of all images.',
      ),
      (
        picture(
          'loss',
          'Histogram of the final loss by split; the table has its numbers.',
          charts.histogram,
          *({split: loss[split] for split in shown}, _LOSS),
        ),
        'Final loss of all images.',
      ),
    ],
    tables=[_table('split', {s: (psnr[s], loss[s]) for s in psnr})],
  )


def _shown_splits(contents: Contents) -> list[str]:
  """The splits that the charts show: the first ones."""
  return list(contents.measures)[:_MAX_SPLITS]


def _more(contents: Contents) -> str:
  """The end of a sentence that says which splits are shown; '' if all are."""
  count = len(contents.measures)
  if count <= _MAX_SPLITS:
    return ''
  return f'; the charts show the first {_MAX_SPLITS} of {count} splits'


def _table(name: str, rows: dict[str, tuple], title: str = '') -> Table:
  """A table with statistics of PSNR and loss.

  Args:
    name: The name of the first column.
    rows: The PSNR and the losses of a row's images, by the name of the row.
    title: The title of the table; '' for a table that is always shown.
  """
  return Table(
    header=[
      *(name, 'images', 'mean PSNR', 'min', '5 %', 'median', '95 %', 'max'),
      *('median loss', '95 %'),
    ],
    rows=[
      [
        row,
        f'{len(psnr):,}',
        f'{np.mean(psnr):.2f}',
        *(f'{x:.2f}' for x in np.quantile(psnr, (0, 0.05, 0.5, 0.95, 1))),
        *(f'{x:.3g}' for x in np.quantile(loss, (0.5, 0.95))),
      ]
      for row, (psnr, loss) in rows.items()
    ],
    title=title,
  )


def _examples_by_class(contents: Contents) -> dict[tuple[str, int], np.ndarray]:
  """The positions of the sampled examples of each split and label.

  The labels with the lowest median PSNR come first.
  """
  sampled = contents.sampled
  labels = sorted(
    np.unique(sampled.label),
    key=lambda label: np.median(sampled.psnr[sampled.label == label]),
  )
  groups = {
    (split, label): np.flatnonzero(
      (sampled.split == split) & (sampled.label == label)
    )
    for label in labels
    for split in contents.measures
  }
  return {group: rows for group, rows in groups.items() if len(rows)}


def classes(dataset: PublishedDataset, contents: Contents) -> Section:
  """The section about PSNR and final loss of each class."""
  sampled, groups = contents.sampled, _examples_by_class(contents)
  rows_of_table = {
    f'{class_name(dataset, label)}, {split}': (
      sampled.psnr[rows],
      sampled.final_loss[rows],
    )
    for (split, label), rows in groups.items()
  }
  labels, limit = list(dict.fromkeys(label for _, label in groups)), ''
  if len(labels) > _MAX_CLASSES:
    labels = labels[:_MAX_CLASSES]
    limit = f'; the charts show the first {_MAX_CLASSES} classes'

  def by_split(values: np.ndarray) -> dict:
    return {
      split: {
        class_name(dataset, label): values[groups[split, label]]
        for label in labels
        if (split, label) in groups
      }
      # A split is missing here if none of its shards was read.
      for split in _shown_splits(contents)
      if any((split, label) in groups for label in labels)
    }

  return Section(
    title='Quality by class',
    text=[
      f'{contents.coverage} The class with the lowest median PSNR comes first'
      f'{limit}{_more(contents)}.'
    ],
    pictures=[
      (
        picture(
          f'{name}_by_class',
          f'{label} of each class and split; the table has the numbers.',
          charts.intervals,
          *(by_split(values), label),
        ),
        f'{label}: median, 25 to 75 % (thick) and 5 to 95 % (thin).',
      )
      for name, label, values in (
        ('psnr', _PSNR, sampled.psnr),
        ('loss', _LOSS, sampled.final_loss),
      )
    ],
    tables=[_table('class', rows_of_table, title='Numbers of all classes')],
  )


def losses(contents: Contents, refits: Refits) -> Section:
  """The section about the loss of some drawn images at each step."""
  fits = [refits.fits[example['place']] for example in contents.drawn]
  losses = np.array([fit.losses for fit in fits])
  first, last = np.median(losses[:, 0]), np.median(losses[:, -1])
  return Section(
    title='Loss against the step',
    text=[
      f'These are the losses of {len(fits)} images that were drawn at random '
      'and fitted again, because a dataset does not keep the losses of all '
      'steps. The loss is the mean over a batch of pixels; for each pixel, the '
      'squared errors of its normalised channels are summed.'
    ],
    pictures=[
      (
        picture(
          'loss_curve',
          f'The loss falls from a median of {first:.3g} at the first step to '
          f'{last:.3g} at the last of {losses.shape[1]} steps.',
          charts.loss_curve,
          losses,
        ),
        f'Loss of {len(fits)} images, at each of {losses.shape[1]} steps.',
      )
    ],
  )
