"""Draws the charts of a report.

Differences that colours show, the style of a line or a marker shows as well,
for readers who cannot tell the colours apart.
"""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from pipelines.errors import printable
from pipelines.reporting.contents import shortened
from pipelines.reporting.pictures import WIDTH

_STYLES = ('-', '--', ':', '-.')
_MARKERS = 'osD^v'


def histogram(values: dict[str, np.ndarray], label: str) -> Figure:
  """A histogram: the share of each split's examples in each range of values.

  Args:
    values: The values of the examples, by split.
    label: The name of the values.
  """
  figure = Figure((WIDTH, 2.8))
  axes = figure.subplots()
  edges = np.histogram_bin_edges(np.concatenate(list(values.values())), 40)
  for i, (split, numbers) in enumerate(values.items()):
    shares = np.histogram(numbers, edges)[0] / len(numbers)
    style = _STYLES[i % len(_STYLES)]
    axes.stairs(
      shares, edges, fill=False, color=f'C{i}', ls=style, lw=1.6, label=split
    )
  axes.set_xlabel(label)
  axes.set_ylabel('share of the images')
  _add_legend(figure, list(values))
  return figure


def _add_legend(figure: Figure, splits: list[str]) -> None:
  """Adds a legend above the axes, with as many columns as there is room for."""
  names = [shortened(split) for split in splits]
  widest = 0.5 + 0.13 * max(map(len, names))  # Inches, also if all are W's.
  columns = max(1, min(len(names), int(0.9 * WIDTH / widest)))
  figure.legend(
    figure.axes[0].get_legend_handles_labels()[0],
    names,
    loc='outside upper right',
    ncols=columns,
  )


def intervals(groups: dict[str, dict[str, np.ndarray]], label: str) -> Figure:
  """The median, the quartiles and 5 to 95 % of the values of each class.

  Args:
    groups: The values by split and by class, in the order to be drawn.
    label: The name of the values.
  """
  names = list(dict.fromkeys(n for values in groups.values() for n in values))
  figure = Figure((WIDTH, 1 + 0.28 * len(names)))
  axes = figure.subplots()
  for i, (split, values) in enumerate(groups.items()):
    y = np.array([names.index(name) for name in values])
    y = y + 0.3 * (i - (len(groups) - 1) / 2) / max(len(groups) - 1, 1)
    low, first, median, third, high = np.transpose(
      [np.quantile(v, (0.05, 0.25, 0.5, 0.75, 0.95)) for v in values.values()]
    )
    axes.hlines(y, low, high, color=f'C{i}', lw=0.8)
    axes.hlines(y, first, third, color=f'C{i}', lw=2.5)
    axes.plot(
      median, y, _MARKERS[i % len(_MARKERS)], color=f'C{i}', ms=4.5, label=split
    )
  axes.set_yticks(range(len(names)), map(printable, names))
  axes.invert_yaxis()
  axes.grid(False, axis='y')
  axes.set_xlabel(label)
  _add_legend(figure, list(groups))
  return figure


def loss_curve(losses: np.ndarray) -> Figure:
  """The median and quantiles of the loss at each step.

  Args:
    losses: The loss of each image at each step, `[images, steps]`.
  """
  figure = Figure((WIDTH, 2.8))
  axes = figure.subplots()
  steps = np.arange(1, losses.shape[1] + 1)
  low, first, median, third, high = np.quantile(
    losses, (0.05, 0.25, 0.5, 0.75, 0.95), axis=0
  )
  axes.fill_between(
    steps, low, high, color='C0', alpha=0.25, lw=0, label='5 to 95 %'
  )
  axes.fill_between(
    steps, first, third, color='C0', alpha=0.35, lw=0, label='25 to 75 %'
  )
  axes.plot(steps, median, 'C1', lw=1.2, label='median')
  axes.set_yscale('log')
  axes.yaxis.set_major_formatter('{x:g}')  # Without mathematical typesetting.
  axes.yaxis.set_minor_formatter('')
  axes.set_xlabel('step')
  axes.set_ylabel('loss')
  axes.legend()
  return figure


def channel_zeros(shares: np.ndarray) -> Figure:
  """The share of zeros in each channel, in descending order.

  Args:
    shares: The share of zeros of each channel, in [0, 1].
  """
  figure = Figure((WIDTH, 2.8))
  axes = figure.subplots()
  axes.stairs(np.sort(shares)[::-1], fill=True, color='C0', alpha=0.8)
  axes.set_ylim(0, 1)
  axes.set_xlabel('channels, in order of their zeros')
  axes.set_ylabel('share of zeros')
  return figure
