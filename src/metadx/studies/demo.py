"""The demonstration: thyroid diagnoses that no method has met, from 1 to 20 labelled patients each."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable

from metadx.algorithms import TITLES
from metadx.evaluation import EvaluationResult
from metadx.learners import NamedSettings
from metadx.studies.build import build_problem
from metadx.studies.comparison import verdict
from metadx.studies.contenders import Contender
from metadx.studies.exam import DONE, Outcome, Plan, Progress, draw_exam, sit
from metadx.studies.problem import Problem
from metadx.studies.recipe import AuxiliarySettings, DataSettings, Recipe, SplitSettings
from metadx.studies.study import contender, train_one, untrained
from metadx.studies.workers import side_by_side
from metadx.tasks import Shape
from metadx.training import Record, TrainingSettings

_TASKS = TrainingSettings(iterations=400, meta_batch=12, schedule="one_cycle", clip=1.0, keep="last")
_CASES = TrainingSettings(iterations=600, meta_batch=128, schedule="one_cycle", lr=3e-3, validate_every=100)
_TRAINED = {
    "meta_committee": _TASKS.model_copy(update={"lr": 1e-2}),
    "protonet": _TASKS.model_copy(update={"lr": 3e-3}),
    "linear_probe": _CASES,
    "fine_tune": _CASES,
}
DEMO_METHODS = (
    "meta_committee",
    "protonet",
    "linear_probe",
    "fine_tune",
    "logistic_regression",
    "nearest_centroid",
    "boosted_trees",
    "logistic_trees",
)
_LONGEST_FIRST = ("meta_committee", "logistic_trees", "boosted_trees", "fine_tune")
_PLAN = Plan(shots=(1, 5, 20), ways=5, query=10, episodes=300, tuning_tasks=120, seed=1)


def demo_recipe(seed: int) -> Recipe:
    """The settings that the methods of the demonstration share; how each is trained is in `_TRAINED`."""
    return Recipe(
        title="Thyroid diagnoses never seen in training",
        data=DataSettings(name="thyroid", split=SplitSettings(seed=seed, share=(3, 3, 5), least=6)),
        tasks=Shape(ways=(2, 5), shots=(1, 20), query=8),
        auxiliary=AuxiliarySettings(regions=0.35, permuted=0.5),
        learner=NamedSettings(name="mlp", hidden=[64, 64], activation="gelu", norm="layer"),
        algorithm=NamedSettings(name="meta_committee"),
        training=TrainingSettings(seed=seed),
    )


def run_demo(
    seed: int,
    episodes: int,
    *,
    watch: Callable[[str, str, int, int], None] | None = None,
    workers: int | None = None,
) -> EvaluationResult:
    """Meta-trains, tunes and scores every method on the same held-out diagnoses, several methods at a time.

    Args:
        watch: called with a method's title, what it does, how much of it is done, and of how much.
        workers: processes; as many as there are cores if None.
    """
    began = time.monotonic()
    order = sorted(DEMO_METHODS, key=lambda name: name not in _LONGEST_FIRST)
    plan = dataclasses.replace(_PLAN, episodes=episodes)
    outcomes = side_by_side(
        stand,
        [(name, seed, plan) for name in order],
        lambda job, *said: watch(TITLES[order[job]], *said) if watch else None,
        workers,
    )
    recipe = demo_recipe(seed)
    return verdict(
        recipe.title,
        build_problem(recipe),
        sorted(outcomes, key=lambda outcome: DEMO_METHODS.index(outcome.name)),
        plan,
        command=f"metadx demo --seed {seed} --episodes {episodes}",
        seconds=time.monotonic() - began,
    )


def stand(name: str, seed: int, plan: Plan, report: Progress) -> Outcome:
    """One method of the demonstration, trained if it has to be, on the exam."""
    recipe = demo_recipe(seed)
    problem = build_problem(recipe)
    trained = name in _TRAINED
    ready = _trained(name, recipe, problem, report) if trained else untrained(name, recipe, problem)
    outcome = sit(ready, draw_exam(problem, plan), report)
    report(DONE, 1, 1)
    return outcome


def _trained(name: str, recipe: Recipe, problem: Problem, report: Progress) -> Contender:
    training = _TRAINED[name].model_copy(update={"seed": recipe.training.seed})

    def listen(record: Record) -> None:
        report("training", int(record["step"]), training.iterations)

    own = recipe.model_copy(update={"training": training})
    trained = train_one(NamedSettings(name=name), own, problem, listeners=[listen])
    return contender(name, trained.algorithm, trained.params, trained.state)
