"""The episodes that every contender sees, and what one contender does on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from metadx.evaluation import Scores, evaluate
from metadx.studies.contenders import Contender, Settings, tune
from metadx.studies.problem import Problem, feasible
from metadx.tasks import Shape, Task

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and of how much."""


@dataclass(frozen=True)
class Plan:
    """What a comparison measures; see `metadx.studies.recipe.EvaluationSettings`."""

    shots: tuple[int, ...]
    ways: int
    query: int
    episodes: int
    tuning_tasks: int
    seed: int


class Exam(NamedTuple):
    """Episodes by number of shots, the same for every contender.

    Args:
        tuning: meta-validation tasks.
        test: meta-test tasks.
        conditions: names of each test task's ways.
    """

    tuning: dict[int, list[Task]]
    test: dict[int, list[Task]]
    conditions: dict[int, list[tuple[str, ...]]]


@dataclass(frozen=True)
class Outcome:
    """What one contender did on an exam, by number of shots.

    Args:
        contender: who sat it, without its tensors.
        settings: those that did best on meta-validation.
        validation: scores with them on the tuning tasks.
        test: scores with them on the test tasks.
    """

    contender: Contender
    settings: dict[int, Settings]
    validation: dict[int, Scores]
    test: dict[int, Scores]


def draw_exam(problem: Problem, plan: Plan) -> Exam:
    """Draws the episodes of a plan.

    Raises:
        UserError: meta-test cannot give the ways and shots asked for; says what it can.
    """
    exam = Exam({}, {}, {})
    for shots in plan.shots:
        shape = Shape(ways=plan.ways, shots=shots, query=plan.query)
        drawn = problem.splits.test.episodes(plan.episodes, shape, plan.seed)
        exam.test[shots] = [source.task(episode) for source, episode in drawn]
        exam.conditions[shots] = [getattr(episode, "conditions", ()) for _, episode in drawn]
        possible = feasible(problem.splits.validation, shape)
        exam.tuning[shots] = problem.splits.validation.tasks(plan.tuning_tasks, possible, plan.seed + 1)
    return exam


def sit(contender: Contender, exam: Exam, progress: Progress | None = None) -> Outcome:
    """Tunes a contender on the exam's meta-validation tasks, then scores it on its meta-test tasks."""
    outcome = Outcome(contender.without_tensors(), {}, {}, {})
    for shots, tasks in exam.test.items():
        tries = exam.tuning[shots]
        report = _counter(
            progress,
            f"{shots} {'shot' if shots == 1 else 'shots'}",
            len(contender.grid) * len(tries) + len(tasks),
        )
        tuned = tune(contender, tries, report)
        outcome.settings[shots] = tuned.settings
        outcome.validation[shots] = tuned.validation
        outcome.test[shots] = evaluate(
            tuned.predictor,
            tasks,
            classification=contender.algorithm.loss.classification,
            conditions=exam.conditions[shots],
            progress=report,
        )
    return outcome


def _counter(progress: Progress | None, what: str, total: int) -> Callable[[int], None] | None:
    if progress is None:
        return None
    done = 0

    def report(more: int) -> None:
        nonlocal done
        done += more
        progress(what, done, total)

    return report
