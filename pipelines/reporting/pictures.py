"""A report's pictures, each for light and dark pages and as PNG."""

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

# Text, lines, and colours after Okabe and Ito (2008), which the colour-blind
# tell apart; a shade darker or lighter where the contrast asks for it.
_LIGHT = ('#1a1a1a', '#c8c8c8', ('#0072b2', '#d55e00', '#009e73', '#7b4fa3'))
_DARK = ('#ececec', '#555555', ('#56b4e9', '#e69f00', '#2fc79b', '#cc79a7'))
# Inches; about a phone's width, where text must be legible.
WIDTH = 4.0
_DPI = 200


@dataclasses.dataclass(frozen=True)
class Picture:
  """A figure of the page.

  Attributes:
    name: of its file, without `.png`.
    alt: what it shows, for those who cannot see it.
    light: data URI for a light page.
    dark: data URI for a dark page.
    png: the file, on white.
  """

  name: str
  alt: str
  light: str
  dark: str
  png: bytes


def picture(
  name: str, alt: str, draw: Callable[..., Figure], *args, vector: bool = True
) -> Picture:
  """Draws a figure in each way it is needed.

  Args:
    name: of the picture.
    alt: of the picture.
    draw: a function that draws it.
    *args: of `draw`.
    vector: whether the page gets it as SVG, not PNG.
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
  """The media type and the bytes of a figure."""
  text, lines, colours = theme
  style = {
    'font.size': 9.5,
    'text.color': text,
    'text.parse_math': False,  # Names are no formulas.
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
    'svg.hashsalt': 'linac',  # The same figure is the same file.
  }
  kind, buffer = 'svg' if vector else 'png', io.BytesIO()
  with matplotlib.rc_context(style), warnings.catch_warnings():
    # A class may be named in a script that the font lacks.
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
  return f'data:{media_type};base64,{base64.b64encode(content).decode()}'


def pixels(name: str, alt: str, image: np.ndarray) -> Picture:
  """A picture of nothing but pixels, the same on all pages.

  Args:
    name: of the picture.
    alt: of the picture.
    image: uint8 `[height, width, 3]`.
  """
  buffer = io.BytesIO()
  Image.fromarray(image).save(buffer, 'png', optimize=True)
  uri = _data_uri('image/png', buffer.getvalue())
  return Picture(name, alt, light=uri, dark=uri, png=buffer.getvalue())
