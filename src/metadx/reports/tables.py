"""The report's tables as plain rows of cells, ready for the template."""

from __future__ import annotations

from typing import NamedTuple

from metadx.evaluation.metrics import HIGHER_IS_BETTER
from metadx.evaluation.result import Difference, EvaluationResult, Score
from metadx.reports import reading, words


class Cell(NamedTuple):
    """A number with what belongs to it.

    Args:
        exact: the number as it was computed, for machines; None where there is none.
        span: its interval, or None.
        note: why something is missing, or that fewer episodes count.
        role: "recommended", "baseline", "both" or "other".
    """

    text: str
    exact: float | None
    span: str | None
    note: str
    role: str = "other"
    best: bool = False


class Table(NamedTuple):
    """A table: caption, column heads (the first over the row heads), and rows of a head and its cells."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


def score_table(result: EvaluationResult, metric: str) -> Table:
    """One metric of every method at every number of shots."""
    shots = reading.shots(result)
    winners = {shot: winner(result, shot, metric) for shot in shots}
    rows = []
    for method in result.methods:
        cells = []
        for shot in shots:
            best = winners[shot] == method.name
            cells.append(score_cell(result, method.name, shot, metric)._replace(best=best))
        rows.append((method.title, tuple(cells)))
    unit = f" ({words.unit(metric)})" if words.unit(metric) else ""
    caption = f"{words.metric_title(metric)}{unit}, {words.better(metric)}"
    return Table(caption, ("Method", *_shot_heads(result)), tuple(rows))


def difference_table(result: EvaluationResult, metric: str) -> Table | None:
    """Paired differences in one metric to the strongest baseline; None where none were taken."""
    if not reading.against_baseline(result, metric):
        return None
    shots = reading.shots(result)
    rows = []
    for method in result.methods:
        cells = []
        for shot in shots:
            if result.baseline.get(shot) == method.name:
                cells.append(Cell("baseline", None, None, "", "baseline"))
                continue
            item = reading.difference(result, method.name, shot, metric)
            cells.append(cell(result, item)._replace(role=reading.role(result, method.name, shot)))
        rows.append((method.title, tuple(cells)))
    points = " in percentage points" if words.unit(metric) == "%" else ""
    caption = f"{words.metric_title(metric)}: difference to the strongest baseline{points}, above 0 is better"
    return Table(caption, ("Method", *_shot_heads(result)), tuple(rows))


def pair_table(result: EvaluationResult, metric: str) -> Table | None:
    """Paired differences in one metric of runs to each other; None where none were taken."""
    found = {(d.method, d.against, d.shots): d for d in result.differences if d.metric == metric}
    pairs = dict.fromkeys(
        (method, against) for method, against, shot in found if result.baseline.get(shot) != against
    )
    if not pairs:
        return None
    rows = []
    for method, against in pairs:
        cells = tuple(cell(result, found.get((method, against, shot))) for shot in reading.shots(result))
        rows.append((f"{reading.title(result, method)} − {reading.title(result, against)}", cells))
    points = " in percentage points" if words.unit(metric) == "%" else ""
    caption = f"{words.metric_title(metric)}: first run minus second{points}, above 0 the first is better"
    return Table(caption, ("Runs", *_shot_heads(result)), tuple(rows))


def condition_table(result: EvaluationResult, shot: int, conditions: list[str]) -> Table:
    """Recognised cases per condition and method at one number of shots."""
    found = {(c.condition, c.method): c for c in result.conditions if c.shots == shot}
    rows = []
    for condition in conditions:
        cells = []
        for name in reading.names(result):
            item = found.get((condition, name))
            role = reading.role(result, name, shot)
            if item is None or item.total == 0:
                cells.append(Cell(words.MISSING, None, None, "never drawn", role))
                continue
            share = item.right / item.total
            cells.append(
                Cell(f"{100 * share:.0f}", share, None, f"{item.right}\u00a0of\u00a0{item.total}", role)
            )
        rows.append((condition, tuple(cells)))
    titles = tuple(reading.title(result, name) for name in reading.names(result))
    caption = f"Recognised of 100 cases, with {words.labelled(result, shot)}"
    return Table(caption, ("Condition", *titles), tuple(rows))


def settings(result: EvaluationResult) -> list[tuple[str, str, str, list[tuple[str, str]]]]:
    """Each method's title, identifier, what it learned from, and its settings, equal numbers of shots together."""
    rows = []
    for method in result.methods:
        grouped: dict[str, list[int]] = {}
        for shot in sorted(method.settings):
            chosen = method.settings[shot]
            text = ", ".join(f"{key} = {_plain(value)}" for key, value in chosen.items())
            grouped.setdefault(text or "nothing to choose", []).append(shot)
        lines = [(", ".join(map(str, group)), text) for text, group in grouped.items()]
        rows.append((method.title, method.name, words.learns_from(method.learns_from), lines))
    return rows


def score_cell(result: EvaluationResult, method: str, shot: int, metric: str) -> Cell:
    """One metric of one method at one number of shots."""
    item = reading.score(result, method, shot, metric)
    return cell(result, item)._replace(role=reading.role(result, method, shot))


def cell(result: EvaluationResult, item: Score | Difference | None) -> Cell:
    """A score or a difference with its interval, or a dash with the reason."""
    value = None if item is None else reading.known(item.value)
    note = words.why_missing(item)
    if item is None or value is None:
        return Cell(words.MISSING, None, None, note)
    if item.n != result.protocol.episodes and not note:
        note = f"{item.n} episodes"
    return Cell(words.number(item), value, words.interval(item), note)


def winner(result: EvaluationResult, shot: int, metric: str) -> str | None:
    """The method with the best mean, whichever it is; None where there are no values."""
    sign = 1 if HIGHER_IS_BETTER.get(metric, True) else -1
    found = [
        (sign * value, s.method)
        for s in result.scores
        if (s.shots, s.metric) == (shot, metric) and (value := reading.known(s.value)) is not None
    ]
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _shot_heads(result: EvaluationResult) -> list[str]:
    return [f"{shot} {'case' if shot == 1 else 'cases'}" for shot in reading.shots(result)]


def _plain(value: float | int | str | None) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
