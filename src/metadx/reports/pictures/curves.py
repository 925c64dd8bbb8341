"""How well each method does with more labelled cases: the adaptation curves."""

from __future__ import annotations

import textwrap
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from metadx.evaluation.metrics import HIGHER_IS_BETTER
from metadx.evaluation.result import EvaluationResult, Method
from metadx.reports import reading, words
from metadx.reports.pictures.canvas import BLUE, SOFT, VERMILLION, axes, draw
from metadx.reports.pictures.labels import Label, height_of, place

_BLUES, _REDS = (BLUE, "#00324f", "#3a86b8"), (VERMILLION, "#7a3100", "#d0702a")
_SHADES = ("#70777f", "#9aa1a9")
_SHAPES = "os^v"
_FAR = 0.6


def curves(result: EvaluationResult, *, narrow: bool = False) -> str:
    """The main metric of every method against the number of labelled cases, as SVG.

    Args:
        narrow: for a phone: the same picture, less wide.
    """
    metric = reading.main_metric(result)
    wrap = 17 if narrow else 26
    texts = ["\n".join(textwrap.wrap(words.one_line(m.title, 44), wrap)) for m in result.methods]
    longest = max((len(line) for text in texts for line in text.split("\n")), default=8)
    height = max(400.0, height_of(texts) + 100)
    size = (420.0 if narrow else 820.0, height)

    def paint(figure: Figure) -> None:
        ax = axes(figure, 40, 48, 34 + 7.2 * longest, 46)
        _scales(ax, result, metric)
        up = HIGHER_IS_BETTER.get(metric, True)
        unit = f", {words.unit(metric)}" if words.unit(metric) else ""
        heading = f"{words.metric_title(metric)}{unit}  ({'↑' if up else '↓'} better)"
        figure.text(8 / size[0], 1 - 16 / size[1], heading, va="center", weight="bold")
        found = [
            _curve(ax, result, metric, method, text, order)
            for order, (method, text) in enumerate(zip(result.methods, texts, strict=True))
        ]
        place(ax, [label for label in found if label is not None])

    title = f"{words.metric_title(metric)} against the number of labelled cases"
    return draw("curves-narrow" if narrow else "curves-wide", title, _spoken(result, metric), size, paint)


def _scales(ax: Axes, result: EvaluationResult, metric: str) -> None:
    shots = reading.shots(result)
    factor = words.scale(metric)
    ends = [(s.value, s.low, s.high) for s in result.scores if s.metric == metric]
    seen = [v * factor for end in ends for v in map(reading.known, end) if v is not None]
    chance = 100 / result.protocol.ways if words.unit(metric) == "%" and result.protocol.ways > 1 else None
    low, high = (min(seen), max(seen)) if seen else (0.0, 1.0)
    if chance is not None and low - chance < _FAR * (high - low):
        low, high = min(low, chance), max(high, chance)
    room = (high - low) * 0.07 or 1.0
    ax.set_ylim(low - room, high + room)
    ax.yaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]))
    ax.grid(axis="y", color="#eceef1", lw=0.8)
    ax.set_axisbelow(True)
    ax.spines["left"].set_visible(False)
    ax.tick_params(labelsize=11)
    if shots[0] > 0:
        ax.set_xscale("log", base=2)
        ax.set_xlim(shots[0] * (shots[-1] / shots[0]) ** -0.05, shots[-1])
    else:
        ax.set_xlim(-0.05 * shots[-1], shots[-1])
    ax.minorticks_off()
    ax.set_xticks(shots, [str(k) for k in shots])
    ax.set_xlabel("Labelled cases" + ("" if reading.is_regression(result) else " per condition"), labelpad=8)
    if chance is not None and low <= chance <= high:
        ax.axhline(chance, color=SOFT, lw=1.2, ls=(0, (1, 2.5)))
        above: dict[str, Any] = {"xytext": (-4, 4), "textcoords": "offset points", "ha": "right"}
        across = ax.get_yaxis_transform()
        ax.annotate("guessing", (1, chance), xycoords=across, color=SOFT, fontsize=11, **above)


def _curve(
    ax: Axes, result: EvaluationResult, metric: str, method: Method, text: str, order: int
) -> Label | None:
    strong = method.name in result.recommended.values()
    simple = method.name in result.baseline.values() and not strong
    chosen = result.recommended if strong else result.baseline
    colour = _SHADES[order % 2]
    if strong or simple:
        shades = _BLUES if strong else _REDS
        colour = shades[list(dict.fromkeys(chosen.values())).index(method.name) % len(shades)]
    layer = 5 if strong else 4 if simple else 3
    factor = words.scale(metric)
    points: list[tuple[int, float]] = []
    band: list[tuple[int, float, float]] = []
    for shot in reading.shots(result):
        item = reading.score(result, method.name, shot, metric)
        if item is None or (value := reading.known(item.value)) is None:
            continue
        points.append((shot, value * factor))
        low, high = reading.known(item.low), reading.known(item.high)
        if low is not None and high is not None:
            band.append((shot, low * factor, high * factor))
    if not points:
        return None
    if band:
        alpha = 0.2 if strong else 0.15 if simple else 0.08
        x, lows, highs = zip(*band, strict=True)
        ax.fill_between(x, lows, highs, color=colour, alpha=alpha, lw=0, zorder=layer - 3)
    x, y = zip(*points, strict=True)
    width = 3.2 if strong else 2.2 if simple else 1.3
    shape = "o" if strong else "D" if simple else _SHAPES[order % 4]
    dash = "--" if simple else "-"
    ax.plot(x, y, dash, color=colour, lw=width, marker=shape, ms=4.5, clip_on=False, zorder=layer)
    large = [point for point in points if chosen.get(point[0]) == method.name]
    if large:
        x, y = zip(*large, strict=True)
        size = 8.5 if strong else 7.5
        ax.plot(x, y, shape, ms=size, color=colour, mec="white", mew=1, clip_on=False, zorder=layer)
    return Label(text, *points[-1], colour if strong or simple else "#59616b", strong)


def _spoken(result: EvaluationResult, metric: str) -> str:
    parts = []
    for method in result.methods:
        told = []
        for shot in reading.shots(result):
            item = reading.score(result, method.name, shot, metric)
            text = "no value" if item is None else words.number(item)
            told.append(f"{text} with {shot}")
        parts.append(f"{method.title}: {', '.join(told)}.")
    return " ".join(parts)
