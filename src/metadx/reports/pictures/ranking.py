"""With one number of shots there is no curve to draw: a row per method, best first."""

from __future__ import annotations

from metadx.evaluation.metrics import HIGHER_IS_BETTER
from metadx.evaluation.result import EvaluationResult
from metadx.reports import reading, words
from metadx.reports.pictures.canvas import COLOURS, MARKERS, SOFT
from metadx.reports.pictures.rows import Mark, Row, Scale, rows_picture, scale_of


def ranking(result: EvaluationResult, shot: int, metric: str | None = None) -> str:
    """A metric of every method at one number of shots, by default the main one, as SVG."""
    metric = metric or reading.main_metric(result)
    sign = -1 if HIGHER_IS_BETTER.get(metric, True) else 1
    found: list[tuple[float, Row]] = []
    for method in result.methods:
        item = reading.score(result, method.name, shot, metric)
        value = None if item is None else reading.known(item.value)
        role = reading.role(result, method.name, shot)
        bold = role in {"recommended", "both"}
        if item is None or value is None:
            note = f"{words.MISSING} {words.why_missing(item)}"
            found.append((float("inf"), Row(method.title, ((note, SOFT),), (), bold)))
            continue
        ends = (reading.known(item.low), reading.known(item.high))
        low, high = (None if v is None else v * words.scale(metric) for v in ends)
        mark = Mark(value * words.scale(metric), low, high, COLOURS[role], MARKERS[role])
        row = Row(method.title, ((words.with_interval(item), SOFT),), (mark,), bold)
        found.append((sign * value, row))
    rows = [row for _, row in sorted(found, key=lambda pair: pair[0])]
    low, high, ticks = scale_of(rows)
    title = f"{words.metric_title(metric)} with {words.labelled(result, shot)}"
    description = "; ".join(f"{row.name}: {row.notes[0][0]}" for row in rows)
    sides = ("", "better →") if sign < 0 else ("← better", "")
    return rows_picture(f"ranking-{shot}", title, description, rows, Scale(low, high, ticks, *sides))
