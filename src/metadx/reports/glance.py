"""The findings in short: at each number of shots who was recommended, who is the bar, and how far apart."""

from __future__ import annotations

from typing import NamedTuple

from metadx.evaluation.result import EvaluationResult
from metadx.reports import reading, tables, words


class Glance(NamedTuple):
    """The finding at one number of shots.

    Args:
        recommended, baseline: titles, None where the result names none.
        same: whether the recommended method is the strongest baseline itself.
        best: title of the method with the best mean, where it is neither of the two.
        tone: "better", "worse" or "open".
    """

    shot: str
    recommended: str | None
    score: tables.Cell
    baseline: str | None
    bar: tables.Cell
    same: bool
    difference: tables.Cell
    verdict: str
    tone: str
    best: str | None


def glances(result: EvaluationResult) -> list[Glance]:
    """One finding per number of shots, fewest first."""
    return [_glance(result, shot) for shot in reading.shots(result)]


def _glance(result: EvaluationResult, shot: int) -> Glance:
    metric = reading.main_metric(result)
    recommended, baseline = result.recommended.get(shot), result.baseline.get(shot)
    apart = reading.difference(result, recommended, shot, metric) if recommended is not None else None
    verdict = words.verdict(apart)
    best = tables.winner(result, shot, metric)
    return Glance(
        words.labelled(result, shot),
        None if recommended is None else reading.title(result, recommended),
        tables.score_cell(result, recommended or "", shot, metric),
        None if baseline is None else reading.title(result, baseline),
        tables.score_cell(result, baseline or "", shot, metric),
        recommended is not None and recommended == baseline,
        tables.cell(result, apart),
        verdict,
        verdict.split()[0] if verdict.split()[0] in {"better", "worse"} else "open",
        None if best is None or best in {recommended, baseline} else reading.title(result, best),
    )
