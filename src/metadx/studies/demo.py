"""The demonstration: thyroid diagnoses that no method has met, from 1 to 20 labelled patients each."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from rich.console import Console

from metadx.evaluation import EvaluationResult
from metadx.studies.comparison import Plan, Progress, compare
from metadx.studies.problem import build_problem
from metadx.studies.recipe import AuxiliarySettings, DataSettings, NamedSettings, Recipe, SplitSettings
from metadx.studies.study import contender, train_one, untrained
from metadx.tasks import Shape
from metadx.training import TrainingSettings

_TASKS = TrainingSettings(iterations=400, meta_batch=12, schedule="one_cycle", clip=1.0, keep="last")
_CASES = TrainingSettings(iterations=600, meta_batch=128, schedule="one_cycle", lr=3e-3, validate_every=100)
_TRAINED = {
    "meta_logistic": _TASKS.model_copy(update={"lr": 1e-2}),
    "protonet": _TASKS.model_copy(update={"lr": 3e-3}),
    "linear_probe": _CASES,
    "fine_tune": _CASES,
}
_UNTRAINED = ("logistic_regression", "nearest_centroid", "boosted_trees")
_PLAN = Plan(shots=(1, 5, 20), ways=5, query=10, episodes=300, tuning_tasks=120, seed=1)


def demo_recipe(seed: int) -> Recipe:
    """The settings that the trained methods of the demonstration share."""
    return Recipe(
        title="Thyroid diagnoses never seen in training",
        data=DataSettings(name="thyroid", split=SplitSettings(seed=seed, share=(3, 3, 5), least=6)),
        tasks=Shape(ways=(2, 5), shots=(1, 20), query=8),
        auxiliary=AuxiliarySettings(regions=0.35, permuted=0.5),
        learner=NamedSettings(name="mlp", hidden=[64, 64], activation="gelu", norm="layer"),
        algorithm=NamedSettings(name="meta_logistic"),
        training=TrainingSettings(
            iterations=400,
            meta_batch=12,
            lr=0.01,
            schedule="one_cycle",
            clip=1.0,
            validate_every=100,
            seed=seed,
        ),
    )


def run_demo(
    seed: int,
    episodes: int,
    *,
    console: Console | None = None,
    bar: Callable[[Console], AbstractContextManager[Progress]],
) -> EvaluationResult:
    """Meta-trains, tunes the baselines, and compares all of them on the held-out diagnoses."""
    began = time.monotonic()
    recipe = demo_recipe(seed)
    problem = build_problem(recipe)
    contenders = []
    for name, training in _TRAINED.items():
        own = recipe.model_copy(update={"training": training.model_copy(update={"seed": seed})})
        trained = train_one(NamedSettings(name=name), own, problem, console=console)
        contenders.append(contender(name, trained.algorithm, trained.params, trained.state))
    contenders += [untrained(name, recipe, problem) for name in _UNTRAINED]
    with bar(console or Console(quiet=True)) as progress:
        plan = dataclasses.replace(_PLAN, episodes=episodes)
        command = f"metadx demo --seed {seed} --episodes {episodes}"
        result = compare(recipe.title, problem, contenders, plan, command=command, progress=progress)
    seconds = round(time.monotonic() - began, 1)
    return result.model_copy(update={"protocol": result.protocol.model_copy(update={"seconds": seconds})})
