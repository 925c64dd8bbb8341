"""The demonstration: thyroid diagnoses that no method has met, from 1 to 20 labelled patients each."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from rich.console import Console

from metadx.evaluation import EvaluationResult
from metadx.studies.comparison import Plan, Progress, compare
from metadx.studies.problem import build_problem
from metadx.studies.recipe import DataSettings, NamedSettings, Recipe, SplitSettings
from metadx.studies.study import contender, train_one, untrained
from metadx.tasks import Shape
from metadx.training import TrainingSettings

_TRAINED = ("protonet", "linear_probe", "fine_tune")
_UNTRAINED = ("logistic_regression", "nearest_centroid", "boosted_trees")
_PLAN = Plan(shots=(1, 5, 20), ways=5, query=10, episodes=300, tuning_tasks=60, seed=1)


def demo_recipe(seed: int) -> Recipe:
    """The settings that the trained methods of the demonstration share."""
    return Recipe(
        title="Thyroid diagnoses never seen in training",
        data=DataSettings(name="thyroid", split=SplitSettings(seed=seed, share=(3, 3, 5))),
        tasks=Shape(ways=(3, 5), shots=(1, 10), query=10),
        learner=NamedSettings(name="mlp", hidden=[64, 64], activation="gelu", norm="layer"),
        algorithm=NamedSettings(name="protonet"),
        training=TrainingSettings(iterations=500, meta_batch=16, validate_every=50, patience=4, seed=seed),
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
    for name in _TRAINED:
        trained = train_one(NamedSettings(name=name), recipe, problem, console=console)
        contenders.append(contender(name, trained.algorithm, trained.params, trained.state))
    contenders += [untrained(name, recipe, problem) for name in _UNTRAINED]
    with bar(console or Console(quiet=True)) as progress:
        plan = Plan(**{**_PLAN.__dict__, "episodes": episodes})
        result = compare(
            recipe.title, problem, contenders, plan, command=f"metadx demo --seed {seed}", progress=progress
        )
    seconds = round(time.monotonic() - began, 1)
    return result.model_copy(update={"protocol": result.protocol.model_copy(update={"seconds": seconds})})
