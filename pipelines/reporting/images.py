"""Draws the images of a report: originals, fits, errors and channels."""

from __future__ import annotations

import math

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath

from pipelines.errors import printable
from pipelines.reporting.pictures import WIDTH

# The factor for differences, which are too small to be seen.
AMPLIFICATION = 4
# The error that gets the brightest colour. Pixels are in [0, 1].
MAX_ERROR = 0.1
# The width of the lines between channels, in pixels.
_GAP = 1
# The size of the letters on a sheet, in points.
_FONT_SIZE = 8.5


def sheet(
  columns: list[str], rows: list[tuple[str, list[np.ndarray]]]
) -> Figure:
  """A figure with rows of images, and a line of text below each row.

  Args:
    columns: The titles of the columns, shown above the first row.
    rows: The text and the images of each row. Images are `[height, width,
      channels]`, in [0, 1], and as many as there are columns.
  """
  height, width = rows[0][1][0].shape[:2]
  aspect = height / (width * len(columns))
  rows = [(_wrapped(printable(text)), images) for text, images in rows]
  lines = max(1 + text.count('\n') for text, _ in rows)
  row_height = WIDTH * aspect + 0.14 + 0.14 * lines
  figure = Figure((WIDTH, 0.35 + len(rows) * row_height))
  gap = np.full((height, max(1, width // 16), 4), 0.0)  # Transparent.
  for axes, (text, images) in zip(
    figure.subplots(len(rows), squeeze=False)[:, 0], rows, strict=True
  ):
    parts = [part for image in images for part in (_rgba(image), gap)][:-1]
    axes.imshow(np.concatenate(parts, axis=1), interpolation='nearest')
    axes.set_xlabel(text, loc='left', fontsize=_FONT_SIZE)
    axes.spines[:].set_visible(False)
    axes.grid(False)
    axes.set_yticks([])
    axes.set_xticks([])
    if axes is figure.axes[0]:
      axes.xaxis.tick_top()
      centres = width / 2 + (width + gap.shape[1]) * np.arange(len(columns))
      axes.set_xticks(centres, columns, fontsize=_FONT_SIZE)
      axes.tick_params(length=0)
  return figure


def _wrapped(text: str) -> str:
  """A text in lines that are no wider than a figure, if its words are not."""
  lines = ['']
  for word in text.split(' '):
    line = f'{lines[-1]} {word}'.strip()
    width = TextPath((0, 0), line, size=_FONT_SIZE).get_extents().width
    if lines[-1] and width > 0.95 * WIDTH * 72:
      lines.append(word)
    else:
      lines[-1] = line
  return '\n'.join(lines)


def _rgba(image: np.ndarray) -> np.ndarray:
  """An image of 1, 3 or 4 channels as opaque RGBA, `[height, width, 4]`."""
  colours = image[..., :3] if image.shape[-1] > 1 else np.repeat(image, 3, -1)
  opaque = np.ones((*image.shape[:2], 1))
  return np.concatenate([np.clip(colours, 0, 1), opaque], axis=-1)


def difference(image: np.ndarray, reconstruction: np.ndarray) -> np.ndarray:
  """The difference of a reconstruction from its image, amplified around grey.

  Args:
    image: The image, `[height, width, channels]`, in [0, 1].
    reconstruction: The reconstruction, of the same shape.
  """
  return 0.5 + AMPLIFICATION * (reconstruction - image)


def error(image: np.ndarray, reconstruction: np.ndarray) -> np.ndarray:
  """The mean absolute error of each pixel's channels, as a colour.

  Args:
    image: The image, `[height, width, channels]`, in [0, 1].
    reconstruction: The reconstruction, of the same shape.

  Returns:
    The colours, `[height, width, 3]`, in [0, 1].
  """
  errors = np.abs(reconstruction - image).mean(axis=-1)
  return matplotlib.colormaps['cividis'](errors / MAX_ERROR)[..., :3]


def channel_grid(representations: list[np.ndarray]) -> np.ndarray:
  """All channels of up to three representations, as red, green and blue.

  As in figure 14 of Rusu et al. (2022), every channel of a representation is
  scaled by its maximum if that is more than 1.

  Args:
    representations: Up to three representations, `[height, width, units]`.

  Returns:
    A uint8 image `[rows * (height + 1) + 1, columns * (width + 1) + 1, 3]`. The
    channels run row by row, with white lines between them.
  """
  height, width, units = representations[0].shape
  columns = math.ceil(math.sqrt(units))
  rows = math.ceil(units / columns)
  grid = np.zeros((rows * columns, height + _GAP, width + _GAP, 3))
  grid[:, :_GAP] = grid[:, :, :_GAP] = 1
  for colour, representation in enumerate(representations):
    finite = np.nan_to_num(representation.astype(np.float32))
    channels = np.moveaxis(finite, -1, 0)
    channels = channels / np.maximum(1, channels.max((1, 2), keepdims=True))
    grid[:units, _GAP:, _GAP:, colour] = np.clip(channels, 0, 1)
  grid = grid.reshape(rows, columns, height + _GAP, width + _GAP, 3)
  grid = grid.swapaxes(1, 2).reshape(rows * (height + _GAP), -1, 3)
  grid = np.pad(grid, ((0, _GAP), (0, _GAP), (0, 0)), constant_values=1)
  return np.rint(grid * 255).astype(np.uint8)
