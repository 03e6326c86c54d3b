"""The sections of a report with pictures of images.

They show images of the dataset, their representations and reconstructions.
"""

from __future__ import annotations

import numpy as np

from pipelines.dataset.read_published import PublishedDataset
from pipelines.reporting import charts, images
from pipelines.reporting.contents import Contents, class_name, shortened
from pipelines.reporting.page import Section
from pipelines.reporting.pictures import Picture, picture, pixels
from pipelines.reporting.refits import Refits

# The numbers of drawn examples that are shown in rows, and as the colours of
# one picture.
_NUM_SHOWN = 6
NUM_COLOURS = 3


def representations(dataset: PublishedDataset, contents: Contents) -> Section:
  """The section about representations: their zeros and their channels."""
  sampled = contents.sampled
  units = len(sampled.channel_zeros)
  dead = int(np.sum(sampled.channel_zeros == 1))
  low, median, high = np.quantile(sampled.zeros, (0.05, 0.5, 0.95))
  colours = contents.drawn[:NUM_COLOURS]
  names = _colour_names(dataset, colours)
  pictures = [
    (
      picture(
        'channel_zeros',
        f'Share of zeros of each of {units} channels, in descending order; '
        f'{dead} are zero everywhere.',
        charts.channel_zeros,
        sampled.channel_zeros,
      ),
      'Share of zeros of each channel, over all pixels of these images.',
    ),
    (
      pixels(
        'channels',
        f'Grid of the {units} channels of the representations of {names}.',
        images.channel_grid([e['representation'] for e in colours]),
      ),
      f'All {units} channels of three images as colours: {names}. White '
      'pixels are active in all three. A channel is scaled by its maximum if '
      'that is above 1 (as in figure 14 of the paper).',
    ),
  ]
  return Section(
    title='Representations',
    text=[
      f'{contents.coverage} {100 * median:.1f} % of a representation are zeros '
      f'(median; 5 to 95 %: {100 * low:.1f} to {100 * high:.1f} %). On average '
      f'{np.mean(sampled.dead):.1f} of the {units} channels are zero at every '
      f'pixel of an image; {dead or "none"} at every pixel of all images.'
    ],
    pictures=pictures,
  )


def _colour_names(dataset: PublishedDataset, examples: list[dict]) -> str:
  """The names of up to three examples with their colours."""
  return ', '.join(
    f'{_name(dataset, example)} in {colour}'
    for colour, example in zip(('red', 'green', 'blue'), examples, strict=False)
  )


def _name(dataset: PublishedDataset, example: dict) -> str:
  """The id of an example, with the name of its class."""
  name = class_name(dataset, example['label'])
  return f'{shortened(example["id"])} ({name})'


def reconstructions(
  dataset: PublishedDataset, contents: Contents, refits: Refits
) -> Section:
  """The section with reconstructions of some drawn images."""
  shown = contents.drawn[:_NUM_SHOWN]
  return Section(
    title='Reconstructions',
    text=[
      'The first of the images that were drawn at random, fitted again. The '
      f'difference is amplified by {images.AMPLIFICATION}; grey means no '
      'difference. The error is the mean absolute error of the channels, from '
      f'0 (dark blue) to {images.MAX_ERROR} of the range of pixels, or more '
      '(yellow).'
    ],
    pictures=[
      (
        _fits_picture('reconstructions', dataset, shown, refits),
        'Originals and reconstructions (as in figure 12 of the paper).',
      )
    ],
  )


def extremes(
  dataset: PublishedDataset, contents: Contents, refits: Refits | None
) -> Section:
  """The section with the best and the worst fits of the dataset."""
  return Section(
    title='The best and the worst fits',
    text=['The images with the highest and with the lowest PSNR of all.'],
    pictures=[
      (_fits_picture('best', dataset, contents.best, refits), 'The best.'),
      (_fits_picture('worst', dataset, contents.worst, refits), 'The worst.'),
    ],
  )


def _fits_picture(
  name: str,
  dataset: PublishedDataset,
  examples: list[dict],
  refits: Refits | None,
) -> Picture:
  """A picture with a row per example: its image and, if it exists, its new fit.

  Args:
    name: The name of the picture.
    dataset: The dataset.
    examples: The examples, in order.
    refits: The new fits of all these examples, or None.
  """
  columns, rows = ['original'], []
  if refits:
    columns += [
      'reconstruction',
      f'difference x {images.AMPLIFICATION}',
      'error',
    ]
  for example in examples:
    image = example['image'] / 255
    row = [image]
    if refits:
      fitted = refits.fits[example['place']].reconstruction
      row += [
        fitted,
        images.difference(image, fitted),
        images.error(image, fitted),
      ]
    rows.append((_measured(dataset, example), row))
  text = '; '.join(text for text, _ in rows)
  alt = f'Rows of {", ".join(columns)} of {text}.'
  return picture(name, alt, images.sheet, columns, rows, vector=False)


def _measured(dataset: PublishedDataset, example: dict) -> str:
  """The name of an example, with its PSNR and loss."""
  return (
    f'{_name(dataset, example)}: {example["psnr"]:.2f} dB, loss '
    f'{example["final_loss"]:.3g}'
  )


def other_seed(
  dataset: PublishedDataset, contents: Contents, refits: Refits
) -> Section:
  """The section that compares the dataset's fits with those of another seed."""
  examples = contents.drawn[:NUM_COLOURS]
  others = [refits.others[example['place']] for example in examples]
  rows = []
  for example, other in zip(examples, others, strict=True):
    image = example['image'] / 255
    fit = refits.fits[example['place']]
    row = [image]
    for fitted in (fit.reconstruction, other.reconstruction):
      row += [fitted, images.difference(image, fitted)]
    text = f'{_name(dataset, example)}: {fit.psnr:.2f}, {other.psnr:.2f} dB'
    rows.append((text, row))
  distances = ', '.join(f'{other.distance:.2f}' for other in others)
  seed = refits.other_seed
  return Section(
    title=f'The same images under seed {seed}',
    text=[
      'Reconstructions look much the same under any key, but representations '
      'do not. The L2 distances of these representations from the stored ones, '
      f'divided by their norms, are {distances}.'
    ],
    pictures=[
      (
        picture(
          'other_seed',
          f"The reconstructions under the dataset's key and seed {seed} look "
          'alike, their differences from the originals do not.',
          images.sheet,
          ['original', 'its key', 'difference', f'seed {seed}', 'difference'],
          rows,
          vector=False,
        ),
        f"Reconstructions under the dataset's key and under seed {seed}, with "
        'their differences from the originals, amplified by '
        f'{images.AMPLIFICATION}, and their PSNR.',
      ),
      (
        pixels(
          'other_channels',
          f'Grid of the channels of the same images under seed {seed}.',
          images.channel_grid([other.representation for other in others]),
        ),
        f'Their channels under seed {seed}, to compare with the first ones: '
        f'{_colour_names(dataset, examples)}.',
      ),
    ],
  )
