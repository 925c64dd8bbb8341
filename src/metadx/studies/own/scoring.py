"""What answers on folds come to: scores and paired differences with intervals over patients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metadx.evaluation import CalibrationBin, ConditionScore, Difference, Score
from metadx.evaluation.metrics import HIGHER_IS_BETTER, adaptive_ece, classification_metrics, log_loss
from metadx.studies.own.crossval import Answer, Fold

METRICS = ("auroc", "balanced_accuracy", "accuracy", "f1", "log_loss", "brier", "ece")
MAIN = "auroc"
_RESAMPLES = 200
_BINS = 8
Table = dict[str, dict[str, NDArray[np.float64]]]


class Pooled(NamedTuple):
    """The answers of one method, by round: cases and their probabilities."""

    cases: list[NDArray[np.int64]]
    probability: list[NDArray[np.float64]]


class Verdict(NamedTuple):
    """Scores, differences to the winner's rival, recall and calibration of every method."""

    scores: tuple[Score, ...]
    differences: tuple[Difference, ...]
    conditions: tuple[ConditionScore, ...]
    calibration: tuple[CalibrationBin, ...]


def pool(folds: Sequence[Fold], answers: Sequence[Answer]) -> Pooled:
    """A method's answers put together round by round, whole rounds only."""
    rounds: dict[str, list[Answer]] = {}
    for fold, said in zip(folds, answers, strict=True):
        rounds.setdefault(fold.round, []).append(said)
    cases = [np.concatenate([np.asarray(a.cases) for a in said]) for said in rounds.values()]
    probability = [np.concatenate([np.asarray(a.probability) for a in said]) for said in rounds.values()]
    return Pooled(cases, probability)


def metrics_of(
    pooled: Pooled, y: NDArray[np.int64], weight: Sequence[NDArray[np.int64]] | None = None
) -> dict[str, float]:
    """Every metric, the mean over rounds.

    Args:
        weight: for each round, which of its rows count, and how often; all once by default.
    """
    found = []
    for at, (cases, probability) in enumerate(zip(*pooled, strict=True)):
        rows = np.arange(len(cases)) if weight is None else weight[at]
        p, label = probability[rows], y[cases[rows]]
        found.append(
            classification_metrics(p, label)
            | {"log_loss": log_loss(p, label), "ece": adaptive_ece(p.max(1), p.argmax(1) == label, _BINS)}
        )
    with np.errstate(invalid="ignore"):
        return {name: float(np.mean([each[name] for each in found])) for name in METRICS}


def score_all(
    pooled: Mapping[str, Pooled],
    y: NDArray[np.int64],
    person: NDArray[np.int64],
    classes: Sequence[str],
    shots: int,
    against: str,
) -> Verdict:
    """Scores of all methods, and how much better each is than one of them, on the same resampled patients.

    Args:
        pooled: answers by method, on the same folds.
        shots: the number that scores are filed under: labelled cases of the rarest condition.
        against: the method that differences are taken to.
    """
    value = {name: metrics_of(each, y) for name, each in pooled.items()}
    resampled = _resample(pooled, y, person)
    people = len(np.unique(person))
    scores, differences = [], []
    for name in pooled:
        for metric in METRICS:
            low, high = _interval(value[name][metric], resampled[name][metric], centred=metric == "ece")
            scores.append(
                Score(
                    method=name,
                    shots=shots,
                    metric=metric,
                    value=value[name][metric],
                    low=low,
                    high=high,
                    n=people,
                )
            )
            if name != against and metric != "ece":
                sign = 1.0 if HIGHER_IS_BETTER[metric] else -1.0
                gap = sign * (value[name][metric] - value[against][metric])
                low, high = _interval(
                    gap, sign * (resampled[name][metric] - resampled[against][metric]), centred=False
                )
                differences.append(
                    Difference(
                        method=name,
                        against=against,
                        shots=shots,
                        metric=metric,
                        value=gap,
                        low=low,
                        high=high,
                        n=people,
                    )
                )
    return Verdict(
        tuple(scores),
        tuple(differences),
        tuple(c for name, each in pooled.items() for c in _conditions(name, each, y, classes, shots)),
        tuple(c for name, each in pooled.items() for c in _calibration(name, each, y, shots)),
    )


def _resample(pooled: Mapping[str, Pooled], y: NDArray[np.int64], person: NDArray[np.int64]) -> Table:
    """Metrics over patients drawn with replacement, the same draws for every method."""
    rng = np.random.default_rng(0)
    people = np.unique(person)
    some = next(iter(pooled.values()))
    rows_of = [[np.flatnonzero(person[cases] == who) for who in people] for cases in some.cases]
    found: Table = {name: {metric: np.zeros(_RESAMPLES) for metric in METRICS} for name in pooled}
    for at in range(_RESAMPLES):
        drawn = rng.integers(0, len(people), len(people))
        weight = [np.concatenate([rows[i] for i in drawn]) for rows in rows_of]
        for name, each in pooled.items():
            for metric, number in metrics_of(each, y, weight).items():
                found[name][metric][at] = number
    return found


def _interval(
    value: float, draws: NDArray[np.float64], *, centred: bool
) -> tuple[float | None, float | None]:
    known = draws[np.isfinite(draws)]
    if len(known) < _RESAMPLES // 2 or not np.isfinite(value):
        return None, None
    low, high = np.percentile(known, [2.5, 97.5])
    shift = value - float(known.mean()) if centred else 0.0
    return float(low + shift), float(high + shift)


def _conditions(
    name: str, pooled: Pooled, y: NDArray[np.int64], classes: Sequence[str], shots: int
) -> list[ConditionScore]:
    label = y[np.concatenate(pooled.cases)]
    right = np.concatenate(pooled.probability).argmax(1) == label
    return [
        ConditionScore(
            method=name,
            shots=shots,
            condition=condition,
            right=int(right[label == at].sum()),
            total=int((label == at).sum()),
        )
        for at, condition in enumerate(classes)
    ]


def _calibration(name: str, pooled: Pooled, y: NDArray[np.int64], shots: int) -> list[CalibrationBin]:
    probability = np.concatenate(pooled.probability)
    sure, right = probability.max(1), probability.argmax(1) == y[np.concatenate(pooled.cases)]
    rounds = len(pooled.cases)
    return [
        CalibrationBin(
            method=name,
            shots=shots,
            confidence=float(sure[part].mean()),
            accuracy=float(right[part].mean()),
            cases=max(1, round(len(part) / rounds)),
        )
        for part in np.array_split(np.argsort(sure, kind="stable"), _BINS)
        if len(part)
    ]
