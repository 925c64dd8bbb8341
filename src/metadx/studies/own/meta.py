"""Meta-learning on one's own data: on every fold of tasks, methods are trained, tuned and examined side by side."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metadx.algorithms import TITLES
from metadx.evaluation import Part, Scores, SplitDescription
from metadx.learners import NamedSettings
from metadx.studies.build import build_problem
from metadx.studies.comparison import verdict
from metadx.studies.contenders import Contender
from metadx.studies.exam import Outcome, Plan, Progress, draw_exam, sit
from metadx.studies.own.journal import Journal
from metadx.studies.own.patients import Watch
from metadx.studies.own.tasks import Course
from metadx.studies.problem import Problem
from metadx.studies.recipe import Recipe
from metadx.studies.study import contender, train_one, untrained
from metadx.studies.workers import side_by_side
from metadx.tasks import PatientSource
from metadx.training import Record

_HEADINGS = {
    "conditions": "How well is a condition learned that was never seen?",
    "patients": "How well is a patient foreseen who was never seen?",
    "genes": "How well are variants of a gene told apart that was never seen?",
    "sites": "How well does it adapt to a site that was never seen?",
}
_OF_SQUARES = ("mse",)


def compare_tasks(
    course: Course, journal: Journal, *, workers: int | None, watch: Watch
) -> dict[str, list[Outcome]]:
    """What every method did on every fold; what is kept from before is not done again."""
    methods = [*course.learned, *course.baselines]
    jobs = [
        (journal.folder, at, recipe, method, course.learned.get(method), course.plan)
        for at, recipe in enumerate(course.recipes)
        for method in methods
        if journal.read(_step(at, method)) is None
    ]
    every = len(course.recipes) * len(methods)
    total = 100.0 * every
    done = dict.fromkeys(range(every - len(jobs)), 100.0)
    watch(f"Meta-learning over {course.what}", sum(done.values()), total)

    def count(job: int, _: str, part: int, whole: int) -> None:
        done[every - len(jobs) + job] = 100.0 * part / max(whole, 1)
        watch(f"Meta-learning over {course.what}", sum(done.values()), total)

    if jobs:
        side_by_side(stand_one, jobs, count, workers)
    return {
        method: [outcome_of(journal.read(_step(at, method))) for at in range(len(course.recipes))]
        for method in methods
    }


def stand_one(
    folder: Path, at: int, recipe: Recipe, method: str, training: Any, plan: Plan, report: Progress
) -> None:
    """One method on one fold: trained if it has to be, tuned, examined, and kept on disk."""
    problem = build_problem(recipe)
    ready = _ready(recipe, method, training, problem, report)
    outcome = sit(
        ready, draw_exam(problem, plan), lambda *said: report(said[0], 60 + 40 * said[1] // said[2], 100)
    )
    Journal(folder).keep(_step(at, method), plain_outcome(_in_units(outcome, problem)))
    report("done", 100, 100)


def _ready(recipe: Recipe, method: str, training: Any, problem: Problem, report: Progress) -> Contender:
    settings = recipe.algorithm.settings
    if training is None:
        bare = recipe.model_copy(update={"algorithm": NamedSettings(name=method)})
        found = untrained(method, bare, problem)
        if method == "ridge" and settings.get("carry"):
            carrying: Any = found.algorithm
            return replace(found, algorithm=replace(carrying, carry=True))
        return found
    own = recipe.model_copy(update={"training": training})
    named = recipe.algorithm if method == recipe.algorithm.name else NamedSettings(name=method)

    def listen(record: Record) -> None:
        report("training", int(60 * record["step"] / training.iterations), 100)

    trained = train_one(named, own, problem, listeners=[listen])
    return contender(method, trained.algorithm, trained.params, trained.state)


def _in_units(outcome: Outcome, problem: Problem) -> Outcome:
    """Errors of values in the units of the target, which the tasks are standardised by."""
    source = problem.splits.test.sources()[0]
    if problem.classification or not isinstance(source, PatientSource):
        return outcome
    spread = source.target[1]

    def scaled(scores: Scores) -> Scores:
        episode = {
            name: values * (spread**2 if name in _OF_SQUARES else spread)
            for name, values in scores.episode.items()
        }
        return replace(scores, episode=episode)

    return replace(
        outcome,
        validation={k: scaled(scores) for k, scores in outcome.validation.items()},
        test={k: scaled(scores) for k, scores in outcome.test.items()},
    )


def told(course: Course, outcomes: dict[str, list[Outcome]], *, command: str, seconds: float) -> Part:
    """All folds together: scores, paired differences, and the recommended method."""
    together = [_together(said) for said in outcomes.values()]
    problem = build_problem(course.recipes[0])
    counts = {name: n for recipe in course.recipes for name, n in _held_out(recipe).items()}
    whole = replace(problem, split=SplitDescription(train={}, validation={}, test=counts))
    result = verdict(course.recipes[0].title, whole, together, course.plan, command=command, seconds=seconds)
    most = max(result.shots)
    found = result.recommended[most]
    folds = len(course.recipes)
    how = (
        f"The {course.what} were dealt into {folds} folds. Each fold was held out in turn, the next one served "
        "to choose "
        "settings with, and methods were meta-trained on the others. Every method saw the same episodes.",
    )
    episodes = next(s.n for s in result.scores if s.method == found and s.shots == most)
    return Part(
        name=course.what,
        heading=_HEADINGS[course.what],
        told=(*how, *_about(result.summary, course.what)),
        basis=f"{episodes:,} episodes from {folds} folds; 95 % intervals over episodes",
        metric="accuracy" if problem.classification else "rmse",
        winner=TITLES.get(found, found),
        result=result,
    )


def _held_out(recipe: Recipe) -> dict[str, int]:
    """Cases of what a fold holds out."""
    problem = build_problem(recipe)
    if recipe.patients is None:
        return problem.split.test
    source = problem.splits.test.sources()[0]
    assert isinstance(source, PatientSource)
    return {person: len(source.rows(person)) for person in sorted(source.patients())}


def _about(summary: Sequence[str], what: str) -> list[str]:
    """The sentences that are true of what tasks are about."""
    if what == "conditions":
        return list(summary)
    said = [sentence for sentence in summary if " conditions" not in sentence]
    return [
        *said,
        f"The recommended method was chosen on {what} that served for that alone, not on those it is scored on.",
    ]


def _together(outcomes: Sequence[Outcome]) -> Outcome:
    """One method's outcomes on all folds as one; settings are those chosen most often."""
    first = outcomes[0]
    shots = list(first.test)
    settings = {}
    for k in shots:
        chosen = Counter(json.dumps(outcome.settings[k], sort_keys=True) for outcome in outcomes)
        settings[k] = json.loads(chosen.most_common(1)[0][0])
    return replace(
        first,
        settings=settings,
        validation={k: joined([o.validation[k] for o in outcomes]) for k in shots},
        test={k: joined([o.test[k] for o in outcomes]) for k in shots},
    )


def joined(parts: Sequence[Scores]) -> Scores:
    """The scores of several lists of episodes as one."""
    recall: dict[str, tuple[int, int]] = {}
    for part in parts:
        for name, (right, of) in part.recall.items():
            before = recall.get(name, (0, 0))
            recall[name] = (before[0] + right, before[1] + of)
    return Scores(
        {name: np.concatenate([part.episode[name] for part in parts]) for name in parts[0].episode},
        [values for part in parts for values in part.confidence],
        [values for part in parts for values in part.right],
        recall,
    )


def plain_outcome(outcome: Outcome) -> dict[str, Any]:
    """An outcome as JSON holds it."""
    return {
        "name": outcome.name,
        "title": outcome.title,
        "learns_from": outcome.learns_from,
        "transductive": outcome.transductive,
        "settings": {str(k): v for k, v in outcome.settings.items()},
        "validation": {str(k): _plain(v) for k, v in outcome.validation.items()},
        "test": {str(k): _plain(v) for k, v in outcome.test.items()},
    }


def outcome_of(plain: dict[str, Any]) -> Outcome:
    """What `plain_outcome` wrote."""
    return Outcome(
        plain["name"],
        plain["title"],
        plain["learns_from"],
        plain["transductive"],
        settings={int(k): v for k, v in plain["settings"].items()},
        validation={int(k): _scores(v) for k, v in plain["validation"].items()},
        test={int(k): _scores(v) for k, v in plain["test"].items()},
    )


def _plain(scores: Scores) -> dict[str, Any]:
    return {
        "episode": {
            name: [None if v != v else v for v in values.tolist()] for name, values in scores.episode.items()
        },
        "confidence": [np.round(values, 6).tolist() for values in scores.confidence],
        "right": [values.astype(int).tolist() for values in scores.right],
        "recall": scores.recall,
    }


def _scores(plain: dict[str, Any]) -> Scores:
    def array(values: list[Any]) -> NDArray[np.float64]:
        return np.asarray([np.nan if v is None else v for v in values], dtype=np.float64)

    return Scores(
        {name: array(values) for name, values in plain["episode"].items()},
        [array(values) for values in plain["confidence"]],
        [array(values).astype(bool) for values in plain["right"]],
        {name: (int(pair[0]), int(pair[1])) for name, pair in plain["recall"].items()},
    )


def _step(at: int, method: str) -> str:
    return f"tasks-{at:02d}-{method}"
