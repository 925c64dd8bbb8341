"""The episodes that every contender sees, and what one contender does on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np

from metadx.algorithms import Embedder
from metadx.errors import UserError
from metadx.evaluation import Scores, evaluate
from metadx.studies.contenders import Contender, Settings, tune
from metadx.studies.problem import Problem, augments_of, feasible
from metadx.studies.recipe import Augmented
from metadx.tasks import DrawnTasks, Episode, GroupSource, MetaDataset, PatientSource, Shape, Task, TaskSource
from metadx.tasks.source import bounds

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and of how much."""

DONE = "done"
"""What a contender reports once it has nothing more to do."""


@dataclass(frozen=True)
class Plan:
    """What a comparison measures; see `metadx.studies.recipe.EvaluationSettings`."""

    shots: tuple[int, ...]
    ways: int
    query: int
    episodes: int
    tuning_tasks: int
    seed: int
    augment: Augmented = ()


class Exam(NamedTuple):
    """Episodes by number of shots, the same for every contender.

    Args:
        tuning: meta-validation tasks.
        test: meta-test tasks.
        conditions: names of each test task's ways.
    """

    tuning: dict[int, Sequence[Task]]
    test: dict[int, Sequence[Task]]
    conditions: dict[int, list[tuple[str, ...]]]


@dataclass(frozen=True)
class Outcome:
    """What one contender did on an exam, by number of shots; no tensors, so that it travels between processes.

    Args:
        name, title: who sat it.
        learns_from: what its algorithm consumes in training.
        transductive: whether it looked at the query cases together.
        settings: those that did best on meta-validation.
        validation: scores with them on the tuning tasks.
        test: scores with them on the test tasks.
    """

    name: str
    title: str
    learns_from: Literal["tasks", "cases", "nothing"]
    transductive: bool
    settings: dict[int, Settings]
    validation: dict[int, Scores]
    test: dict[int, Scores]


def draw_exam(problem: Problem, plan: Plan) -> Exam:
    """Draws the episodes of a plan.

    Raises:
        UserError: meta-test cannot give the ways and shots asked for; says what it can.
    """
    exam = Exam({}, {}, {})
    change, rng = augments_of(plan.augment, problem.dimensions.input_shape), np.random.default_rng(plan.seed)

    def tasks(drawn: Sequence[tuple[TaskSource, Episode]]) -> Sequence[Task]:
        made = DrawnTasks(drawn)
        return made if change is None else [change.changed(task, rng) for task in made]

    for shots in plan.shots:
        shape = Shape(ways=plan.ways, shots=shots, query=plan.query)
        drawn = _episodes(problem.splits.test, plan.episodes, shape, plan.seed)
        exam.test[shots] = tasks(drawn)
        exam.conditions[shots] = [_ways(source, episode) for source, episode in drawn]
        possible = feasible(problem.splits.validation, shape)
        tuning = _episodes(problem.splits.validation, plan.tuning_tasks, possible, plan.seed + 1)
        exam.tuning[shots] = tasks(tuning)
    return exam


def _ways(source: TaskSource, episode: Episode) -> tuple[str, ...]:
    """What the ways of an episode's task are called; nothing where targets are values."""
    if isinstance(source, GroupSource | PatientSource):
        return source.cases.classes
    names: tuple[str, ...] = getattr(episode, "conditions", ())
    return names


def _episodes(
    dataset: MetaDataset, number: int, shape: Shape, seed: int
) -> Sequence[tuple[TaskSource, Episode]]:
    """Episodes drawn at random; where tasks are by patient, each patient's first cases and all that came later;
    where they are by group, each group equally often."""
    by_group = [source for source in dataset.sources() if isinstance(source, GroupSource)]
    if by_group:
        return _of_groups(by_group, number, shape, seed)
    by_patient = [source for source in dataset.sources() if isinstance(source, PatientSource)]
    if not by_patient:
        return dataset.episodes(number, shape, seed)
    shots = bounds(shape.shots)[0]
    everyone = [(source, source.first(p, shots)) for source in by_patient for p in source.with_first(shots)]
    if not everyone:
        raise UserError(f"the {dataset.split} split has no patient with {shots} cases and one after them")
    chosen = np.random.default_rng(seed).permutation(len(everyone))[:number]
    return [everyone[i] for i in sorted(chosen)]


def _of_groups(
    sources: Sequence[GroupSource], number: int, shape: Shape, seed: int
) -> Sequence[tuple[TaskSource, Episode]]:
    """Rounds over all groups that can give the shots, in random order, the last one cut short."""
    shots, rng = bounds(shape.shots)[0], np.random.default_rng(seed)
    able = [(source, group) for source in sources for group in source.eligible(shots)]
    if not able:
        raise UserError(f"none of the groups held out can give {shots} shots and other cases of two classes")
    rounds = [rng.permutation(len(able)) for _ in range(-(-number // len(able)))]
    chosen = np.concatenate(rounds)[:number]
    return [(source, source.draw(rng, shape, group)) for source, group in (able[i] for i in chosen)]


def sit_all(contenders: Sequence[Contender], exam: Exam, progress: Progress | None = None) -> list[Outcome]:
    """Every contender on the same exam, one after the other; reports begin with the contender's title."""
    return [sit(contender, exam, _titled(progress, contender.title)) for contender in contenders]


def sit(contender: Contender, exam: Exam, progress: Progress | None = None) -> Outcome:
    """Tunes a contender on the exam's meta-validation tasks, then scores it on its meta-test tasks."""
    if contender.algorithm.fits_head:
        contender, exam = _at_head(contender, exam)
    outcome = Outcome(
        contender.name,
        contender.title,
        contender.algorithm.consumes,
        contender.algorithm.transductive,
        settings={},
        validation={},
        test={},
    )
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


def _at_head(contender: Contender, exam: Exam) -> tuple[Contender, Exam]:
    """The head of a contender, and the exam in embeddings: the same outcome, for less work."""
    embedder = Embedder(contender.algorithm, contender.params, contender.state)
    tuning, test = (
        {shots: embedder.tasks(tasks) for shots, tasks in part.items()} for part in (exam.tuning, exam.test)
    )
    head = replace(contender, algorithm=embedder.head, params=embedder.params, state=embedder.state)
    return head, exam._replace(tuning=tuning, test=test)


def _titled(progress: Progress | None, title: str) -> Progress | None:
    if progress is None:
        return None
    return lambda what, done, total: progress(f"{title} · {what}", done, total)


def _counter(progress: Progress | None, what: str, total: int) -> Callable[[int], None] | None:
    if progress is None:
        return None
    done = 0

    def report(more: int) -> None:
        nonlocal done
        done += more
        progress(what, done, total)

    return report
