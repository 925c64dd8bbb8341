"""Paired evaluation: every method sees the same episodes, and differences are taken episode by episode."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metadx.errors import UserError
from metadx.evaluation.intervals import Interval, bootstrap_interval, mean_interval
from metadx.evaluation.metrics import (
    HIGHER_IS_BETTER,
    adaptive_ece,
    classification_metrics,
    regression_metrics,
)
from metadx.evaluation.predictor import Predictor
from metadx.tasks import Task

Progress = Callable[[int], None]
_CHUNK = 64


@dataclass(frozen=True)
class Scores:
    """What one method did on a list of episodes.

    Args:
        episode: metric name to one value per episode, shape (episodes,).
        confidence, right: probability of the predicted way and whether it was true, one array per episode;
            empty for regression.
        recall: condition to (cases diagnosed right, cases) over all episodes.
    """

    episode: dict[str, NDArray[Any]]
    confidence: list[NDArray[Any]]
    right: list[NDArray[Any]]
    recall: dict[str, tuple[int, int]]

    def interval(self, metric: str) -> Interval:
        """The metric over all episodes with its 95 % interval."""
        if metric != "ece":
            return mean_interval(self.episode[metric])

        def ece(index: NDArray[np.int64]) -> float:
            return adaptive_ece(
                np.concatenate([self.confidence[i] for i in index]),
                np.concatenate([self.right[i] for i in index]),
            )

        return bootstrap_interval(ece, len(self.confidence))

    @property
    def metrics(self) -> list[str]:
        """Names of the metrics there are."""
        return [*self.episode, *(["ece"] if self.confidence else [])]


def evaluate(
    predictor: Predictor,
    tasks: Sequence[Task],
    *,
    classification: bool = True,
    conditions: Sequence[Sequence[str]] = (),
    progress: Progress | None = None,
) -> Scores:
    """Scores a predictor on tasks.

    Args:
        predictor: anything that maps tasks to predictions for their query cases.
        tasks: unpadded tasks.
        classification: whether outputs are probabilities of conditions or values.
        conditions: names of each task's ways, for per-condition results.
        progress: called with the number of episodes done since the last call.

    A prediction that is not a number is scored, not left out: as every way alike, or as an infinite error.
    """
    if not tasks:
        raise UserError("there is nothing to evaluate on: give at least one task")
    values: list[dict[str, float]] = []
    confidence, right = [], []
    recall: dict[str, tuple[int, int]] = {}
    for start in range(0, len(tasks), _CHUNK):
        chunk = list(tasks[start : start + _CHUNK])
        for offset, (task, output) in enumerate(zip(chunk, predictor(chunk), strict=True)):
            output = np.asarray(output, dtype=float)
            if not classification:
                values.append(regression_metrics(output, task.query.y.numpy()))
                continue
            output = np.where(np.isfinite(output).all(1, keepdims=True), output, 1 / task.ways)
            label = task.query.y.argmax(-1).numpy()
            values.append(classification_metrics(output, label))
            confidence.append(output.max(1))
            right.append(output.argmax(1) == label)
            if conditions:
                _count(recall, conditions[start + offset], label, right[-1])
        if progress is not None:
            progress(len(chunk))
    episode = {name: np.array([v[name] for v in values]) for name in values[0]}
    return Scores(episode, confidence, right, recall)


def difference(a: Scores, b: Scores, metric: str) -> Interval:
    """How much better `a` is than `b`, paired by episode: above 0 is always better, whatever the metric."""
    sign = 1.0 if HIGHER_IS_BETTER[metric] else -1.0
    if metric == "ece":
        raise ValueError("ece is a property of many episodes and has no paired difference")
    with np.errstate(invalid="ignore"):  # where both diverged there is no difference to speak of
        return mean_interval(sign * (a.episode[metric] - b.episode[metric]))


def best(scores: Mapping[str, Scores], metric: str) -> str:
    """The name of the method with the best mean; one without a mean is worse than any."""
    sign = 1.0 if HIGHER_IS_BETTER[metric] else -1.0
    merit = {name: sign * s.interval(metric).value for name, s in scores.items()}
    return max(merit, key=lambda name: -np.inf if np.isnan(merit[name]) else merit[name])


def _count(
    recall: dict[str, tuple[int, int]], names: Sequence[str], label: NDArray[Any], right: NDArray[Any]
) -> None:
    for way, name in enumerate(names):
        mine = label == way
        done, total = recall.get(name, (0, 0))
        recall[name] = (done + int(right[mine].sum()), total + int(mine.sum()))
