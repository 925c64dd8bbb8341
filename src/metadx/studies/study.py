"""Whole jobs: train one algorithm of a recipe, and evaluate what was trained."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Sequence

import numpy as np
from rich.console import Console

from metadx.algorithms import ALGORITHMS, TITLES, Algorithm, build_algorithm, suits
from metadx.diagnosis import check_tensors
from metadx.errors import UserError, nearest
from metadx.evaluation import EvaluationResult
from metadx.learners import NamedSettings, Tensors
from metadx.studies.build import build_problem
from metadx.studies.comparison import compare
from metadx.studies.contenders import GRIDS, Contender
from metadx.studies.exam import Plan, Progress
from metadx.studies.problem import Problem, feasible
from metadx.studies.recipe import EvaluationSettings, Recipe
from metadx.studies.runs import Run, fingerprints
from metadx.tasks import ConditionSource, GroupSource, PatientSource
from metadx.tasks.source import bounds
from metadx.training import (
    ALONE,
    Checkpointer,
    Listener,
    Processes,
    Trained,
    feed_for,
    progress_bar,
    train,
)

_VALIDATION_SEED = 20_000


def train_one(
    algorithm: NamedSettings,
    recipe: Recipe,
    problem: Problem,
    *,
    console: Console | None = None,
    listeners: Sequence[Listener] = (),
    checkpoint: Checkpointer | None = None,
    processes: Processes = ALONE,
) -> Trained:
    """Trains one algorithm with the recipe's learner, tasks and training settings; see `metadx.training.train`."""
    built = build_algorithm(algorithm, recipe.learner, problem.dimensions, recipe.training.seed)
    settings = recipe.training
    shape = feasible(problem.splits.validation, recipe.tasks)
    tasks = problem.splits.validation.tasks(
        settings.validation_tasks, shape, settings.seed + _VALIDATION_SEED
    )
    with contextlib.ExitStack() as stack:
        watching = list(listeners)
        if console is not None and built.consumes != "nothing":
            done = checkpoint.start.step if checkpoint is not None and checkpoint.start is not None else 0
            bar = progress_bar(TITLES[algorithm.name], settings.iterations, console, done=done)
            watching.append(stack.enter_context(bar))
        feed = feed_for(built, problem.splits.train)
        return train(built, feed, tasks, settings, watching, checkpoint=checkpoint, processes=processes)


def evaluate_run(
    run: Run, settings: EvaluationSettings, *, command: str, progress: Progress | None = None
) -> EvaluationResult:
    """Evaluates a run beside its baselines on unseen conditions.

    Raises:
        UserError: the data or the recipe are no longer those of the training, or the episodes asked for cannot be
            drawn.
    """
    recipe = run.recipe
    problem = build_problem(recipe)
    built = build_algorithm(recipe.algorithm, recipe.learner, problem.dimensions, recipe.training.seed)
    check_unchanged(run, problem, built)
    name = recipe.algorithm.name
    contenders = [contender(name, built, run.params, run.state)]
    contenders += baselines(settings, recipe, problem, leave_out={name})
    plan = plan_for(settings, problem, bounds(recipe.tasks.ways)[1])
    title = recipe.title or f"{TITLES[name]} on {problem.data.name}"
    return compare(title, problem, contenders, plan, command=command, progress=progress)


def baselines(
    settings: EvaluationSettings, recipe: Recipe, problem: Problem, *, leave_out: Collection[str]
) -> list[Contender]:
    """The baselines asked for, each once, without those to leave out and those that cannot do what is asked."""
    return [
        untrained(name, recipe, problem)
        for name in dict.fromkeys(settings.baselines)
        if name not in leave_out and (name not in ALGORITHMS or suits(name, problem.classification))
    ]


def plan_for(settings: EvaluationSettings, problem: Problem, trained: int) -> Plan:
    """What to measure; by default in as many ways as were trained, or as meta-test can give."""
    return Plan(
        shots=settings.shots,
        ways=settings.ways or _ways(problem, trained, max(settings.shots)),
        query=settings.query,
        episodes=settings.episodes,
        tuning_tasks=settings.tuning_tasks,
        seed=settings.seed,
        augment=settings.augment,
    )


def _ways(problem: Problem, trained: int, shots: int) -> int:
    """The ways of the training, or as many as there are held-out conditions with enough cases; all classes where
    tasks are by patient or by group."""
    fixed = any(isinstance(s, PatientSource | GroupSource) for s in problem.splits.test.sources())
    if fixed and problem.classification:
        return problem.dimensions.outputs
    sources = [s for s in problem.splits.test.sources() if isinstance(s, ConditionSource)]
    enough = (max(len(s.eligible(k)) for s in sources) for k in (shots, 1) if sources)
    return min(trained, next((most for most in enough if most > 1), trained))


def check_unchanged(run: Run, problem: Problem, built: Algorithm) -> None:
    """Refuses data of which a side might have been trained on, and parameters of another network."""
    found = fingerprints(problem)
    changed = [
        side for side, marks in found.items() if marks != run.summary.get("fingerprints", {}).get(side)
    ]
    if changed:
        raise UserError(
            f"{run.folder}: the {', '.join(changed)} cases are not those of the training: {problem.data.name} or "
            "the recipe has changed since, and held-out conditions may have been trained on. Train again."
        )
    try:
        check_tensors(built, run.params, run.state)
    except UserError as error:
        raise UserError(f"{run.folder}: {error}. Train again.") from error


def untrained(name: str, recipe: Recipe, problem: Problem) -> Contender:
    """A baseline that learns from each support set alone.

    Raises:
        UserError: an unknown name, or a method that needs meta-training.
    """
    if name not in ALGORITHMS:
        raise UserError(f"unknown baseline '{name}'; {nearest(name, ALGORITHMS)}")
    if ALGORITHMS[name].consumes != "nothing":
        raise UserError(f"'{name}' has to be trained first and cannot be a baseline here; train it as a run")
    built = build_algorithm(
        NamedSettings(name=name), recipe.learner, problem.dimensions, recipe.training.seed
    )
    params, state = built.init(np.random.default_rng(recipe.training.seed))
    return contender(name, built, params, state)


def contender(name: str, built: Algorithm, params: Tensors, state: Tensors) -> Contender:
    """An algorithm with its tensors and the settings there are to tune."""
    return Contender(name, TITLES[name], built, params, state, GRIDS.get(name, ({},)))
