"""Folds of tasks: which conditions, patients or genes each holds out, as recipes that anybody can run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from metadx.cases import Cases
from metadx.errors import UserError
from metadx.learners import NamedSettings
from metadx.studies.exam import Plan
from metadx.studies.own.folds import people_of_each
from metadx.studies.own.proposal import ENOUGH_PEOPLE, Axis
from metadx.studies.recipe import (
    AuxiliarySettings,
    DataSettings,
    GroupSettings,
    PatientSettings,
    Recipe,
    SplitSettings,
)
from metadx.tasks import Shape
from metadx.training import TrainingSettings

FOLDS = 4
_MLP = NamedSettings(name="mlp", hidden=[64, 64], activation="gelu", norm="layer")
_MOST_FOR_TREES = 400
_HURRY = 4.0


@dataclass(frozen=True)
class Course:
    """A comparison of methods on tasks, with some of them held out in turn.

    Args:
        recipes: one for each fold.
        learned: methods that are meta-trained, with how each is.
        baselines: methods that learn from each support set alone.
        plan: what is measured.
        what: what tasks are about, such as "conditions".
    """

    recipes: tuple[Recipe, ...]
    learned: dict[str, TrainingSettings]
    baselines: tuple[str, ...]
    plan: Plan
    what: str


def course_of(
    axis: Axis, kind: str, cases: Cases, data: DataSettings, *, minutes: float, seed: int
) -> Course:
    """The comparison that suits data whose tasks lie along an axis.

    Args:
        data: the cases as recipes name them.
        minutes: there are for it; with few, training and episodes are fewer.

    Raises:
        UserError: there are too few of what tasks are about.
    """
    if axis == "conditions":
        return _conditions(cases, data, minutes < _HURRY, seed)
    if axis == "patients":
        return _patients(kind, cases, data, minutes < _HURRY, seed)
    return _groups(axis, cases, data, minutes < _HURRY, seed)


def _dealt(names: Sequence[str], folds: int) -> list[list[str]]:
    """Names, the largest first, dealt to folds to and fro."""
    order = [*range(folds), *reversed(range(folds))]
    parts: list[list[str]] = [[] for _ in range(folds)]
    for at, name in enumerate(names):
        parts[order[at % len(order)]].append(name)
    return parts


def _conditions(cases: Cases, data: DataSettings, hurry: bool, seed: int) -> Course:
    _, person = np.unique(cases.patient, return_inverse=True)
    people = people_of_each(cases.y, person.ravel(), len(cases.classes))
    enough = {name: int(n) for name, n in zip(cases.classes, people, strict=True) if n >= ENOUGH_PEOPLE}
    rng = np.random.default_rng(seed)
    names = sorted(enough, key=lambda name: (-enough[name], rng.random()))
    parts = _dealt(names, FOLDS)
    second = min(sorted((enough[name] for name in part), reverse=True)[1] for part in parts)
    shots = tuple(k for k in (1, 5, 20) if k < second) or (1,)
    ways = min(5, *(sum(enough[name] > shots[-1] for name in part) for part in parts))
    rows = cases.x.ndim == 2
    wide = rows and cases.x.shape[1] > _MOST_FOR_TREES // 2
    tasks = TrainingSettings(
        iterations=60 if hurry else 300,
        meta_batch=12,
        schedule="one_cycle",
        clip=1.0,
        keep="last",
        validate_every=1000,
        validation_tasks=20,
        seed=seed,
    )
    trees = rows and not wide and not hurry
    learned = "meta_committee" if trees else "meta_logistic"
    recipes = tuple(
        Recipe(
            title=f"Conditions of {data.own.name if data.own else 'data'} never seen in training",
            data=data.model_copy(
                update={
                    "split": SplitSettings(
                        least=ENOUGH_PEOPLE, validation=tuple(parts[(k + 1) % FOLDS]), test=tuple(part)
                    )
                }
            ),
            tasks=Shape(ways=(2, 5), shots=(1, max(shots)), query=8),
            auxiliary=AuxiliarySettings(permuted=0.4) if rows else AuxiliarySettings(),
            learner=_MLP if rows or data.backbone else NamedSettings(name="auto"),
            algorithm=NamedSettings(name=learned),
            training=tasks,
        )
        for k, part in enumerate(parts)
    )
    return Course(
        recipes,
        {
            learned: tasks.model_copy(update={"lr": 1e-2}),
            "protonet": tasks.model_copy(update={"lr": 3e-3}),
        },
        ("logistic_regression", "nearest_centroid", *(("logistic_trees",) if trees else ())),
        Plan(shots, max(ways, 2), 10, 25 if hurry else 60, 15 if hurry else 30, seed + 1),
        "conditions",
    )


def _patients(kind: str, cases: Cases, data: DataSettings, hurry: bool, seed: int) -> Course:
    people, count = np.unique(cases.patient, return_counts=True)
    order = np.random.default_rng(seed).permutation(people).tolist()
    parts = [order[k::FOLDS] for k in range(FOLDS)]
    time = np.asarray(cases.time, dtype=float) if cases.time is not None else np.zeros(len(cases))
    spans = [float(np.ptp(time[cases.patient == who])) for who in people]
    glucose = kind == "glucose"
    span = float(np.median([s for s in spans if s > 0] or [1.0]))
    history = (240.0, 4320.0) if glucose else (0.1 * span, 1.2 * span)
    wanted = (50, 288, 864) if glucose else (3, 5, 10)
    possible = int(sorted(count, reverse=True)[min(len(count) - 1, FOLDS * 2 - 1)])
    shots = tuple(k for k in wanted if 2 * k < possible) or (max(1, possible // 3),)
    iterations = 150 if hurry else 1500
    training = TrainingSettings(
        iterations=iterations,
        meta_batch=8,
        lr=0.003,
        schedule="one_cycle",
        clip=1.0,
        keep="last",
        validate_every=10_000,
        validation_tasks=20,
        seed=seed,
    )
    algorithm = NamedSettings(name="meta_ridge", **({"carry": True} if glucose else {}))
    recipes = tuple(
        Recipe(
            title=f"Patients of {data.own.name if data.own else 'data'} never seen in training",
            data=data,
            patients=PatientSettings(
                history=history, validation=tuple(parts[(k + 1) % FOLDS]), test=tuple(part)
            ),
            tasks=Shape(shots=min(600, max(30, max(shots))) if glucose else 30, query=100 if glucose else 20),
            learner=NamedSettings(name="mlp", hidden=[64, 32], activation="gelu"),
            algorithm=algorithm,
            training=training,
        )
        for k, part in enumerate(parts)
    )
    baselines = ("ridge", "last_value") if glucose else ("ridge", "own_line", "last_target")
    return Course(
        recipes,
        {"meta_ridge": training},
        baselines,
        Plan(shots, 2, 1000, 10_000, 200, seed + 1),
        "patients",
    )


def _groups(axis: Axis, cases: Cases, data: DataSettings, hurry: bool, seed: int) -> Course:
    column = cases.group if axis == "genes" else cases.site
    if column is None:
        raise UserError(f"{data.own}: says nothing of {axis}")
    names, count = np.unique(column[column != ""], return_counts=True)
    enough = [
        name for name, n in zip(names.tolist(), count, strict=True) if n and able(cases, column == name)
    ]
    enough = sorted(enough, key=lambda name: -int((column == name).sum()))
    parts = _dealt(enough, FOLDS)
    least = min(
        min(int((cases.y[column == name] == y).sum()) for y in np.unique(cases.y[column == name]))
        for name in enough
    )
    shots = tuple(k for k in (1, 5, 10) if k < least) or (1,)
    training = TrainingSettings(
        iterations=150 if hurry else 600,
        meta_batch=16,
        lr=1e-2,
        schedule="one_cycle",
        clip=1.0,
        keep="last",
        validate_every=10_000,
        validation_tasks=20,
        seed=seed,
    )
    recipes = tuple(
        Recipe(
            title=f"{axis.capitalize()} of {data.own.name if data.own else 'data'} never seen in training",
            data=data.model_copy(update={"split": SplitSettings(least=max(shots) + 1)}),
            groups=GroupSettings(
                axis="gene" if axis == "genes" else "site",
                validation=tuple(parts[(k + 1) % FOLDS]),
                test=tuple(part),
            ),
            tasks=Shape(shots=(1, max(shots)), query=15),
            learner=_MLP,
            algorithm=NamedSettings(name="meta_logistic"),
            training=training,
        )
        for k, part in enumerate(parts)
    )
    return Course(
        recipes,
        {"meta_logistic": training, "prior_logistic": training.model_copy(update={"lr": 3e-3})},
        ("logistic_regression", "nearest_centroid"),
        Plan(shots, len(cases.classes), 20, 30 if hurry else 100, 30 if hurry else 60, seed + 1),
        axis,
    )


def able(cases: Cases, rows: Any, least: int = 6) -> bool:
    """Whether a group has so many cases of each of two classes."""
    return bool((np.bincount(cases.y[rows], minlength=len(cases.classes)) >= least).sum() >= 2)
