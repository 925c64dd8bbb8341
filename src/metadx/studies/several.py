"""Several runs over the same data, scored on the same episodes."""

from __future__ import annotations

import dataclasses
import itertools
import time
from collections.abc import Iterator, Sequence
from typing import Any

from metadx.algorithms import TITLES, build_algorithm
from metadx.errors import UserError
from metadx.evaluation import Difference, EvaluationResult, difference
from metadx.studies.build import build_problem
from metadx.studies.comparison import plain, verdict
from metadx.studies.contenders import Contender
from metadx.studies.exam import Outcome, Progress, draw_exam, sit_all
from metadx.studies.recipe import EvaluationSettings
from metadx.studies.runs import Run
from metadx.studies.study import baselines, check_unchanged, contender, plan_for
from metadx.studies.summary import pair_sentence
from metadx.tasks.source import bounds

_ALIKE = "Runs can be compared if they have the same data and the same `data.split`."


def compare_runs(
    runs: Sequence[Run], settings: EvaluationSettings, *, command: str, progress: Progress | None = None
) -> EvaluationResult:
    """Scores runs beside each other and their baselines, with the paired differences of every two runs.

    Args:
        runs: at least two; the first is the one that the summary compares the others with.
        settings: how they are evaluated.

    Raises:
        UserError: a run is given twice, the runs differ in their data, one learned from what another holds out, or
            the episodes asked for cannot be drawn.
    """
    began = time.monotonic()
    _refuse_unlike(runs)
    contenders: list[Contender] = []
    for run, name in zip(runs, _names(runs, settings), strict=True):
        recipe, problem = run.recipe, build_problem(run.recipe)
        built = build_algorithm(recipe.algorithm, recipe.learner, problem.dimensions, recipe.training.seed)
        check_unchanged(run, problem, built)
        mine = contender(recipe.algorithm.name, built, run.params, run.state)
        contenders.append(
            dataclasses.replace(mine, name=name, title=f"{name}: {TITLES[recipe.algorithm.name]}")
        )
    trained = {run.recipe.algorithm.name for run in runs}
    contenders += baselines(settings, runs[-1].recipe, problem, leave_out=trained)
    plan = plan_for(settings, problem, min(bounds(run.recipe.tasks.ways)[1] for run in runs))
    exam = draw_exam(problem, plan)
    outcomes = sit_all(contenders, exam, progress)
    title = f"{len(runs)} runs on {problem.data.name}"
    seconds = time.monotonic() - began
    result = verdict(title, problem, outcomes, plan, command=command, seconds=seconds)
    return _with_pairs(result, outcomes[: len(runs)])


def _refuse_unlike(runs: Sequence[Run]) -> None:
    if len(runs) < 2:
        raise UserError("give at least two runs to compare; `metadx evaluate` scores one")
    for one, other in itertools.combinations(runs, 2):
        if one.folder.resolve() == other.folder.resolve():
            raise UserError(f"{one.folder}: is given twice")
        if _origin(one) == _origin(other):
            continue
        for learner, holder in ((one, other), (other, one)):
            seen = {*_conditions(learner, "train"), *_conditions(learner, "validation")}
            leaked = [name for name in _conditions(holder, "test") if name in seen]
            if leaked:
                what = f"conditions that {holder.folder} holds out, such as {leaked[:3]}"
                raise UserError(f"{learner.folder} learned from {what}. {_ALIKE}")
        raise UserError(f"{one.folder} and {other.folder} learned from different data. {_ALIKE}")


def _origin(run: Run) -> Any:
    """What two runs must have in common: their cases, or where there are none the name of their functions."""
    marks = run.summary.get("fingerprints", {})
    return marks if any(marks.values()) else run.summary.get("data", {}).get("name")


def _conditions(run: Run, side: str) -> list[str]:
    return list(run.summary.get("split", {}).get(side, {}))


def _names(runs: Sequence[Run], settings: EvaluationSettings) -> list[str]:
    """The names of the folders, or their paths where names are not distinct."""
    names = [run.folder.resolve().name for run in runs]
    distinct = len({*names, *settings.baselines}) == len(names) + len(set(settings.baselines))
    return names if distinct else [str(run.folder) for run in runs]


def _with_pairs(result: EvaluationResult, outcomes: Sequence[Outcome]) -> EvaluationResult:
    """The result with the differences of every two runs; the summary says those to the first."""
    metric = "accuracy" if any(s.metric == "accuracy" for s in result.scores) else "mse"
    pairs = list(_pairs(outcomes, result.shots, metric))
    known = {(d.method, d.against, d.shots) for d in result.differences}
    titles = {o.name: o.title for o in outcomes}
    first = outcomes[0].name
    said = [pair_sentence(pair, titles) for pair in pairs if pair.against == first]
    new = [p for p in pairs if (p.method, p.against, p.shots) not in known]
    return result.model_copy(
        update={"differences": (*result.differences, *new), "summary": (*result.summary, *said)}
    )


def _pairs(outcomes: Sequence[Outcome], shots: Sequence[int], metric: str) -> Iterator[Difference]:
    for k in shots:
        for against, other in itertools.combinations(outcomes, 2):
            found = difference(other.test[k], against.test[k], metric)
            yield Difference(
                method=other.name,
                against=against.name,
                shots=k,
                metric=metric,
                **plain(found),
            )
