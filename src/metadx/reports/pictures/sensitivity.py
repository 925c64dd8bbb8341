"""Of 100 cases with a condition, how many were recognised: recommended method and strongest baseline."""

from __future__ import annotations

from metadx.evaluation.result import EvaluationResult
from metadx.reports import reading
from metadx.reports.pictures.canvas import COLOURS, MARKERS, SOFT
from metadx.reports.pictures.rows import Mark, Row, Scale, rows_picture
from metadx.reports.words import MISSING

_SCALE = Scale(-2.0, 102.0, (0.0, 25.0, 50.0, 75.0, 100.0), "none recognised", "all recognised")


def sensitivity(result: EvaluationResult, shot: int) -> str:
    """Recognised cases per 100 of each condition at one number of shots, as SVG."""
    pair = reading.compared(result, shot)
    rows = []
    for condition in conditions(result):
        found = [(name, _per_hundred(result, name, shot, condition)) for name in pair]
        notes = tuple(
            (MISSING, SOFT) if v is None else (f"{v:.0f}", _colour(result, n, shot)) for n, v in found
        )
        marks = tuple(
            Mark(v, None, None, _colour(result, n, shot), MARKERS[reading.role(result, n, shot)])
            for n, v in found
            if v is not None
        )
        rows.append(Row(condition, notes, marks))
    title = f"Of 100 cases of each condition, how many were recognised, with {shot} labelled per condition"
    order = ", ".join(reading.title(result, name) for name in pair)
    description = f"In the order {order}: " + "; ".join(
        f"{row.name}: {', '.join(text for text, _ in row.notes)}" for row in rows
    )
    return rows_picture(f"sensitivity-{shot}", title, description, rows, _SCALE)


def conditions(result: EvaluationResult) -> list[str]:
    """Conditions that were tested, best recognised first (recommended method, most shots)."""
    named = list(dict.fromkeys(c.condition for c in result.conditions))
    last = max(result.shots, default=0)
    pair = reading.compared(result, last)

    def place(condition: str) -> float:
        value = _per_hundred(result, pair[0], last, condition) if pair else None
        return 1.0 if value is None else -value

    return sorted(named, key=place)


def _per_hundred(result: EvaluationResult, method: str, shot: int, condition: str) -> float | None:
    wanted = (method, shot, condition)
    found = (c for c in result.conditions if (c.method, c.shots, c.condition) == wanted)
    item = next(found, None)
    return None if item is None or item.total == 0 else 100 * item.right / item.total


def _colour(result: EvaluationResult, method: str, shot: int) -> str:
    return COLOURS[reading.role(result, method, shot)]
