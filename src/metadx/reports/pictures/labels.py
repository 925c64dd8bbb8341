"""Names at the ends of lines instead of a legend, spread so that none covers another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from sklearn.isotonic import isotonic_regression

LINE = 14.0
GAP = 5.0


class Label(NamedTuple):
    """A name of one or more lines, and the end of the curve it belongs to, in data coordinates."""

    text: str
    x: float
    y: float
    colour: str
    bold: bool


def height_of(texts: Sequence[str]) -> float:
    """Pixels that these names need, one below the other."""
    return sum((text.count("\n") + 1) * LINE + GAP for text in texts)


def place(ax: Axes, labels: Sequence[Label]) -> None:
    """Writes each name right of the axes, as near to its line's end as its neighbours allow, and joins the two."""
    forward, back = ax.transData, ax.transData.inverted()
    box = ax.get_window_extent()
    order = sorted(labels, key=lambda label: label.y)
    ends = [forward.transform((label.x, label.y)) for label in order]
    heights = [height_of([label.text]) for label in order]
    placed = spread([float(end[1]) for end in ends], heights, box.y0 - 24, box.y1 + 24)
    for label, (tip, height), y in zip(order, ends, placed, strict=True):
        start = box.x1 + 28
        bend = back.transform([(tip + 7, height), (box.x1 + 9, height), (start - 4, y)])
        ax.plot(bend[:, 0], bend[:, 1], color=label.colour, lw=0.8, alpha=0.6, clip_on=False)
        x, at = back.transform((start, y))
        weight = "bold" if label.bold else "normal"
        ax.text(x, at, label.text, color=label.colour, weight=weight, va="center", linespacing=1.1)


def spread(wanted: Sequence[float], heights: Sequence[float], low: float, high: float) -> list[float]:
    """Middles as near as possible to the wanted ones (least squares) at which nothing overlaps.

    Args:
        wanted: middles, ascending.
        heights: of the things to be placed.
        low, high: where the lowest may begin and the highest end.
    """
    if not wanted:
        return []
    size = np.asarray(heights, dtype=float)
    stacked = np.concatenate([[0.0], np.cumsum((size[:-1] + size[1:]) / 2)])
    floor = low + size[0] / 2
    ceiling = max(high - size[-1] / 2 - stacked[-1], floor)
    free = isotonic_regression(np.asarray(wanted) - stacked, y_min=floor, y_max=ceiling)
    return [float(y) for y in free + stacked]
