"""A chart of rows: a name, its number in words, and dots with intervals on a track below.

Names stand above their track rather than beside it, so long ones fit on a phone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from metadx.reports.pictures.canvas import INK, PALE, SOFT, axes, draw
from metadx.reports.words import one_line

WIDTH = 420.0
_ROW, _TOP, _BOTTOM, _SIDE = 42.0, 30.0, 22.0, 14.0
_LETTER = 6.9
_NAME, _TRACK = 0.3, 0.72


class Mark(NamedTuple):
    """A dot, with its interval where there is one; hollow where it says nothing for sure."""

    value: float
    low: float | None
    high: float | None
    colour: str
    marker: str = "o"
    hollow: bool = False


class Row(NamedTuple):
    """A line of the chart: its name, what to write at its right end (text, colour), its dots."""

    name: str
    notes: tuple[tuple[str, str], ...]
    marks: tuple[Mark, ...]
    bold: bool = False


class Scale(NamedTuple):
    """The horizontal axis: ends, ticks, and words at its top left and top right.

    Args:
        zero: where to draw a firm line through every track, if anywhere.
        suffix: written behind each tick.
    """

    low: float
    high: float
    ticks: tuple[float, ...]
    left: str = ""
    right: str = ""
    zero: float | None = None
    suffix: str = ""


def scale_of(rows: Sequence[Row], *, include: float | None = None) -> tuple[float, float, tuple[float, ...]]:
    """Round ends and ticks that hold every dot and interval of the rows."""
    ends = [v for row in rows for m in row.marks for v in (m.value, m.low, m.high) if v is not None]
    ends += [] if include is None else [include]
    low, high = (min(ends), max(ends)) if ends else (0.0, 1.0)
    room = (high - low) * 0.04 or 1.0
    ticks = MaxNLocator(nbins=5, steps=[1, 2, 2.5, 5, 10]).tick_values(low - room, high + room)
    return low - room, high + room, tuple(float(t) for t in ticks if low - room <= t <= high + room)


def rows_picture(name: str, title: str, description: str, rows: Sequence[Row], scale: Scale) -> str:
    """The chart as SVG, one row below the other."""
    height = _TOP + _BOTTOM + _ROW * max(len(rows), 1)

    def paint(figure: Figure) -> None:
        ax = axes(figure, _SIDE, _TOP, _SIDE, _BOTTOM)
        ax.set_xlim(scale.low, scale.high)
        ax.set_ylim(max(len(rows), 1), 0)
        ax.set_yticks([])
        ax.set_xticks(scale.ticks, [_tick(t, scale.suffix) for t in scale.ticks], fontsize=11)
        for side in ("left", "bottom"):
            ax.spines[side].set_visible(False)
        above: dict[str, Any] = {"va": "bottom", "fontsize": 11, "color": SOFT, "transform": ax.transAxes}
        lift = 1 + 6 / (height - _TOP - _BOTTOM)
        ax.text(0, lift, scale.left, ha="left", **above)
        ax.text(1, lift, scale.right, ha="right", **above)
        for place, row in enumerate(rows):
            _row(ax, place, row, scale)

    return draw(name, title, description, (WIDTH, height), paint)


def _row(ax: Axes, place: int, row: Row, scale: Scale) -> None:
    track = place + _TRACK
    ax.hlines(track, scale.low, scale.high, color=PALE, lw=1)
    ax.vlines(scale.ticks, track - 0.09, track + 0.09, color=PALE, lw=1)
    if scale.zero is not None:
        ax.vlines(scale.zero, place + 0.5, place + 0.94, color=INK, lw=1.2)
    taken = 0.0
    across = ax.get_yaxis_transform()
    for text, colour in reversed(row.notes):
        at = 1 - taken / (WIDTH - 2 * _SIDE)
        ax.text(at, place + _NAME, text, ha="right", va="center", color=colour, transform=across)
        taken += max(len(text) * _LETTER, 26) + 10
    letters = int((WIDTH - 2 * _SIDE - taken) / (_LETTER * (1.08 if row.bold else 1)))
    weight = "bold" if row.bold else "normal"
    shown = one_line(row.name, letters)
    ax.text(0, place + _NAME, shown, ha="left", va="center", weight=weight, transform=across)
    if len(row.marks) > 1:
        reach = [m.value for m in row.marks]
        ax.hlines(track, min(reach), max(reach), color="#aab0b8", lw=2.5, zorder=2)
    for mark in reversed(row.marks):
        if mark.low is not None and mark.high is not None:
            ax.hlines(track, mark.low, mark.high, color=mark.colour, lw=2.2, zorder=3)
        ax.plot(
            [mark.value],
            [track],
            mark.marker,
            ms=6.5 if mark.marker == "D" else 8,
            mfc="white" if mark.hollow else mark.colour,
            mec=mark.colour,
            mew=1.8,
            clip_on=False,
            zorder=4,
        )


def _tick(value: float, suffix: str) -> str:
    return f"{value:.6g}".replace("-", "−") + suffix
