"""How much better or worse each method was than the strongest baseline, on the same episodes."""

from __future__ import annotations

from metadx.evaluation.result import EvaluationResult
from metadx.reports import reading, words
from metadx.reports.pictures.canvas import COLOURS, SOFT
from metadx.reports.pictures.rows import Mark, Row, Scale, rows_picture, scale_of


def differences(result: EvaluationResult, shot: int, metric: str | None = None) -> str:
    """Every method's paired difference to the strongest baseline at one number of shots, as SVG.

    All pictures of a result share one axis, so that they can be compared.
    """
    metric = metric or reading.main_metric(result)
    every = [row for k in reading.shots(result) for row in _rows(result, k, metric)]
    low, high, ticks = scale_of(every, include=0.0)
    rows = _rows(result, shot, metric)
    against = reading.title(result, result.baseline.get(shot, ""))
    title = f"Difference in {words.metric_title(metric).lower()} to {against}"
    description = "; ".join(f"{row.name}: {row.notes[0][0]}" for row in rows) + ". Above 0 is better."
    scale = Scale(low, high, ticks, "← worse", "better →", zero=0.0)
    return rows_picture(f"difference-{shot}", title, description, rows, scale)


def _rows(result: EvaluationResult, shot: int, metric: str) -> list[Row]:
    found: list[tuple[float, Row]] = []
    factor = words.scale(metric)
    for name in reading.names(result):
        if name == result.baseline.get(shot):
            continue
        item = reading.difference(result, name, shot, metric)
        role = reading.role(result, name, shot)
        value = None if item is None else reading.known(item.value)
        label, bold = reading.title(result, name), role == "recommended"
        if item is None or value is None:
            note = f"{words.MISSING} {words.why_missing(item)}"
            found.append((float("-inf"), Row(label, ((note, SOFT),), (), bold)))
            continue
        low, high = reading.known(item.low), reading.known(item.high)
        hollow = low is None or high is None or low <= 0 <= high
        ends = [None if v is None else v * factor for v in (low, high)]
        mark = Mark(value * factor, ends[0], ends[1], COLOURS[role], hollow=hollow)
        found.append((value, Row(label, ((words.with_interval(item), SOFT),), (mark,), bold)))
    return [row for _, row in sorted(found, key=lambda pair: -pair[0])]
