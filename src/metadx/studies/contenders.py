"""Methods that stand beside each other in a comparison, each tuned on meta-validation with the same care."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metadx.algorithms import Algorithm, as_predictor
from metadx.evaluation import Predictor, Scores, difference, evaluate
from metadx.learners import Tensors
from metadx.tasks import Task

Settings = dict[str, Any]

_PENALTIES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)

GRIDS: dict[str, tuple[Settings, ...]] = {
    "logistic_regression": tuple({"c": c} for c in _PENALTIES),
    "nearest_centroid": tuple({"sharpness": s} for s in (0.3, 1.0, 3.0, 10.0)),
    "boosted_trees": ({"leaf": 1}, {"leaf": 3}),
    "logistic_trees": tuple({"c": c} for c in (0.03, 0.3, 3.0)),
    "ridge": tuple({"penalty": p} for p in (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)),
    "meta_ridge": tuple({"strength": s} for s in (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)),
    "scratch": tuple({"lr": lr, "steps": n} for lr in (0.003, 0.03) for n in (20, 100)),
    "linear_probe": tuple({"c": c} for c in _PENALTIES),
    "fine_tune": tuple({"lr": lr, "steps": n} for lr in (0.003, 0.03) for n in (10, 50)),
    "baseline++": tuple({"lr": lr, "steps": n} for lr in (0.003, 0.03) for n in (10, 100)),
    "transductive_fine_tune": tuple({"lr": lr, "steps": n} for lr in (0.0003, 0.003) for n in (10, 50)),
}
"""Settings tried for each method; what is not listed has nothing to tune after training."""


@dataclass(frozen=True)
class Contender:
    """A method before tuning: an algorithm with its trained tensors, and the settings to choose from."""

    name: str
    title: str
    algorithm: Algorithm
    params: Tensors
    state: Tensors
    grid: tuple[Settings, ...] = ({},)


@dataclass(frozen=True)
class Tuned:
    """A contender with the settings that did best on meta-validation."""

    contender: Contender
    settings: Settings
    validation: Scores
    predictor: Predictor


def tune(contender: Contender, tasks: Sequence[Task], progress: Callable[[int], None] | None = None) -> Tuned:
    """Tries the contender's settings on meta-validation tasks and keeps the most accurate, ties by Brier score."""
    tried: list[Tuned] = []
    tasks = list(tasks)  # those that are made when they are looked at are made once for all settings
    for settings in contender.grid:
        algorithm = dataclasses.replace(contender.algorithm, **settings)  # type: ignore[type-var]
        predictor = as_predictor(algorithm, contender.params, contender.state)
        scores = evaluate(predictor, tasks, classification=algorithm.loss.classification, progress=progress)
        tried.append(Tuned(contender, settings, scores, predictor))
    return max(tried, key=lambda t: _merit(t.validation))


def recommend(validation: Mapping[int, Mapping[str, Scores]]) -> dict[int, str]:
    """The method to use at each number of shots, from meta-validation alone; no meta-test episode is looked at.

    Of the methods that cannot be told from the best at that number of shots (paired, 95 %), the one that did best
    over all of them: a validation split holds few conditions, and its winner at one number of shots is often luck.

    Args:
        validation: number of shots to name to the tuned method's scores, all on the same meta-validation tasks.
    """
    names = list(next(iter(validation.values())))
    overall = {name: sum(_merit(methods[name])[0] for methods in validation.values()) for name in names}
    chosen: dict[int, str] = {}
    for shots, methods in validation.items():
        best = max(names, key=lambda name: _merit(methods[name]))
        rivals = [n for n in names if n == best or not _told_apart(methods[best], methods[n])]
        chosen[shots] = max(rivals, key=lambda name: overall[name])
    return chosen


def _told_apart(best: Scores, other: Scores) -> bool:
    return difference(best, other, "accuracy" if "accuracy" in best.episode else "mse").low > 0


def _merit(scores: Scores) -> tuple[float, float]:
    episode = scores.episode
    if "accuracy" in episode:
        return float(np.mean(episode["accuracy"])), -float(np.mean(episode["brier"]))
    return -float(np.mean(episode["mse"])), 0.0
