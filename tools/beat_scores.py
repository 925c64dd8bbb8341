"""How well heartbeats are told apart: confusion matrices by patient, and what is read from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metadx.evaluation import Interval, bootstrap_interval
from metadx.tasks import Task

CLASSES = {"S": 1, "V": 2}
DOMINANT, MANY = "232", 20
"""The patient of three quarters of the S beats, and how many S beats a patient needs for an F1 of their own."""

Counts = dict[str, NDArray[np.int64]]
"""Confusion matrix of each patient, shape (classes, classes), truth first."""


def count(answers: Mapping[str, NDArray[Any]], given: Mapping[str, Task]) -> Counts:
    """Confusion matrices of the patients."""
    counts = {}
    for patient, task in given.items():
        label = task.query.y.argmax(-1).numpy()
        matrix = np.zeros((task.ways, task.ways), dtype=np.int64)
        np.add.at(matrix, (label, answers[patient].argmax(1)), 1)
        counts[patient] = matrix
    return counts


def scores(matrix: NDArray[Any], label: int) -> tuple[float, float, float]:
    """Sensitivity, precision and F1 of a class; NaN where there is nothing to count."""
    right, truth, said = matrix[label, label], matrix[label].sum(), matrix[:, label].sum()
    with np.errstate(invalid="ignore", divide="ignore"):
        return (
            float(np.divide(right, truth)),
            float(np.divide(right, said)),
            float(2 * right / (truth + said)),
        )


def pooled_f1(counts: Sequence[NDArray[np.int64]], label: int) -> Interval:
    """F1 of a class over all beats of the patients, its interval by drawing patients again."""
    every = np.stack(counts)
    found = bootstrap_interval(
        lambda index: scores(every[index].sum(0), label)[2], len(every), resamples=1000
    )
    return found._replace(low=max(found.low, 0.0), high=min(found.high, 1.0))


def pooled_gain(
    mine: Sequence[NDArray[np.int64]], other: Sequence[NDArray[np.int64]], label: int
) -> Interval:
    """How much higher the F1 over all beats is, paired: the same patients are drawn again for both."""
    a, b = np.stack(mine), np.stack(other)

    def gain(index: NDArray[np.int64]) -> float:
        return scores(a[index].sum(0), label)[2] - scores(b[index].sum(0), label)[2]

    return bootstrap_interval(gain, len(a), resamples=1000)


def without_dominant(counts: Counts) -> list[NDArray[np.int64]]:
    return [matrix for patient, matrix in counts.items() if patient != DOMINANT]


def own_f1(counts: Counts) -> NDArray[np.float64]:
    """F1 of S of each patient who has many S beats."""
    label = CLASSES["S"]
    return np.array([scores(m, label)[2] for m in counts.values() if m[label].sum() >= MANY])
