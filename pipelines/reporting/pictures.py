"""Renders the pictures of a report for light pages, dark pages and as files."""

from __future__ import annotations

import base64
import dataclasses
import io
import warnings
from collections.abc import Callable

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from PIL import Image

# The colours of text, of lines and of data. Those of data follow Okabe and Ito
# (2008), so that colour-blind readers can tell them apart. Some are a shade
# darker or lighter, for better contrast.
_LIGHT = ('#1a1a1a', '#c8c8c8', ('#0072b2', '#d55e00', '#009e73', '#7b4fa3'))
_DARK = ('#ececec', '#555555', ('#56b4e9', '#e69f00', '#2fc79b', '#cc79a7'))
# The width of all figures in inches. It is about that of a phone, on which the
# text must be legible.
WIDTH = 4.0
_DPI = 200


@dataclasses.dataclass(frozen=True)
class Picture:
  """A picture of the page, in all its forms.

  Attributes:
    name: The name of its file, without `.png`.
    alt: A text that says what it shows, for readers who cannot see it.
    light: The data URI for a light page.
    dark: The data URI for a dark page.
    png: The contents of its PNG file, on white.
  """

  name: str
  alt: str
  light: str
  dark: str
  png: bytes


def picture(
  name: str, alt: str, draw: Callable[..., Figure], *args, vector: bool = True
) -> Picture:
  """Draws a figure in all the forms that a page needs.

  Args:
    name: The name of the picture.
    alt: A text that says what it shows.
    draw: A function that draws the figure.
    *args: The arguments of `draw`.
    vector: Whether the page shows it as SVG; if not, as PNG.
  """
  return Picture(
    name=name,
    alt=alt,
    light=_data_uri(*_render(draw, args, _LIGHT, vector)),
    dark=_data_uri(*_render(draw, args, _DARK, vector)),
    png=_render(draw, args, _LIGHT, False, 'white')[1],
  )


def _render(
  draw, args, theme, vector: bool, background: str = 'none'
) -> tuple[str, bytes]:
  """Draws a figure in one form.

  Args:
    draw: A function that draws the figure.
    args: The arguments of `draw`.
    theme: The colours, `_LIGHT` or `_DARK`.
    vector: Whether to render SVG; if not, PNG.
    background: The colour of the background.

  Returns:
    The media type and the bytes.
  """
  text, lines, colours = theme
  style = {
    'font.size': 9.5,
    'text.color': text,
    'text.parse_math': False,  # A $ in a name begins no formula.
    'axes.edgecolor': text,
    'axes.labelcolor': text,
    'xtick.color': text,
    'ytick.color': text,
    'axes.facecolor': 'none',
    'axes.prop_cycle': matplotlib.cycler(color=colours),
    'axes.spines.top': False,
    'axes.spines.right': False,
    'axes.grid': True,
    'axes.axisbelow': True,
    'grid.color': lines,
    'grid.linewidth': 0.5,
    'legend.frameon': False,
    'figure.constrained_layout.use': True,
    'svg.hashsalt': 'linac',  # Equal figures become equal files.
  }
  kind, buffer = 'svg' if vector else 'png', io.BytesIO()
  with matplotlib.rc_context(style), warnings.catch_warnings():
    # The font may lack the letters of a class name; that needs no warning.
    warnings.filterwarnings('ignore', r'Glyph \d+', UserWarning)
    draw(*args).savefig(
      buffer,
      format=kind,
      dpi=_DPI,
      facecolor=background,
      metadata={'Date': None} if vector else {'Software': None},
    )
  return ('image/svg+xml' if vector else 'image/png'), buffer.getvalue()


def _data_uri(media_type: str, content: bytes) -> str:
  """A file as a URI that holds all of it."""
  return f'data:{media_type};base64,{base64.b64encode(content).decode()}'


def pixels(name: str, alt: str, image: np.ndarray) -> Picture:
  """A picture of an image alone, which is the same on light and dark pages.

  Args:
    name: The name of the picture.
    alt: A text that says what it shows.
    image: The image, uint8 `[height, width, 3]`.
  """
  buffer = io.BytesIO()
  Image.fromarray(image).save(buffer, 'png', optimize=True)
  uri = _data_uri('image/png', buffer.getvalue())
  return Picture(name, alt, light=uri, dark=uri, png=buffer.getvalue())
