"""Looking things up in an EvaluationResult: the questions every table and picture asks of it."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from metadx.evaluation.metrics import TITLES
from metadx.evaluation.result import Difference, EvaluationResult, Score

MAIN_METRICS = ("accuracy", "balanced_accuracy", "rmse", "mae", "mse", "auroc", "f1", "brier", "ece")
VALUES = frozenset({"rmse", "mae", "mse"})


def metrics(result: EvaluationResult) -> list[str]:
    """Metrics that were scored, in the order the library lists them."""
    found = dict.fromkeys(score.metric for score in result.scores)
    return [m for m in TITLES if m in found] + [m for m in found if m not in TITLES]


def main_metric(result: EvaluationResult) -> str:
    """The metric of the pictures and the findings: accuracy, or for values the root mean squared error."""
    found = metrics(result)
    return next((m for m in MAIN_METRICS if m in found), found[0] if found else "accuracy")


def is_regression(result: EvaluationResult) -> bool:
    """Whether the methods estimate a value rather than choose a condition."""
    return main_metric(result) in VALUES


def shots(result: EvaluationResult) -> list[int]:
    """Numbers of labelled cases, fewest first."""
    return sorted(result.shots)


def title(result: EvaluationResult, name: str) -> str:
    """What people read for a method."""
    return next((m.title for m in result.methods if m.name == name), name)


def names(result: EvaluationResult) -> list[str]:
    """Identifiers of the methods, in the order of the result."""
    return [m.name for m in result.methods]


def score(result: EvaluationResult, method: str, shot: int, metric: str) -> Score | None:
    """The score of a method at a number of shots; None where it was not run."""
    wanted = (method, shot, metric)
    return next((s for s in result.scores if (s.method, s.shots, s.metric) == wanted), None)


def difference(result: EvaluationResult, method: str, shot: int, metric: str) -> Difference | None:
    """The paired difference of a method to the strongest baseline; None where there is none."""
    wanted = (method, result.baseline.get(shot), shot, metric)
    found = (d for d in result.differences if (d.method, d.against, d.shots, d.metric) == wanted)
    return next(found, None)


def against_baseline(result: EvaluationResult, metric: str) -> bool:
    """Whether differences in a metric to the strongest baseline were taken."""
    return any(d.metric == metric and result.baseline.get(d.shots) == d.against for d in result.differences)


def known(value: float | None) -> float | None:
    """The value where it is a finite number, None otherwise."""
    return value if value is not None and isfinite(value) else None


def compared(result: EvaluationResult, shot: int) -> list[str]:
    """The recommended method, then the strongest baseline, without repetition."""
    pair: Sequence[str | None] = (result.recommended.get(shot), result.baseline.get(shot))
    return list(dict.fromkeys(name for name in pair if name is not None))


def role(result: EvaluationResult, method: str, shot: int) -> str:
    """ "recommended", "baseline", "both" or "other"."""
    recommended = result.recommended.get(shot) == method
    baseline = result.baseline.get(shot) == method
    if recommended and baseline:
        return "both"
    return "recommended" if recommended else "baseline" if baseline else "other"
