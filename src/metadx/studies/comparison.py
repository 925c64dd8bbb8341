"""Contenders against each other on the same meta-test episodes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from metadx.evaluation import (
    CalibrationBin,
    ConditionScore,
    Difference,
    EvaluationResult,
    Interval,
    Method,
    Protocol,
    Score,
    Scores,
    best,
    difference,
    evaluate,
)
from metadx.studies.contenders import Contender, Tuned, recommend, tune
from metadx.studies.hardware import hardware
from metadx.studies.problem import Problem, feasible
from metadx.studies.summary import summarise
from metadx.tasks import Shape

Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many episodes are done, and of how many."""

_BINS = 10


@dataclass(frozen=True)
class Plan:
    """What a comparison measures; see `metadx.studies.recipe.EvaluationSettings`."""

    shots: tuple[int, ...]
    ways: int
    query: int
    episodes: int
    tuning_tasks: int
    seed: int


def compare(
    title: str,
    problem: Problem,
    contenders: Sequence[Contender],
    plan: Plan,
    *,
    command: str,
    progress: Progress | None = None,
) -> EvaluationResult:
    """Tunes every contender on meta-validation, then scores all of them on the same meta-test episodes.

    Raises:
        UserError: meta-test cannot give the ways and shots asked for; says what it can.
    """
    began = time.monotonic()
    metric = "accuracy" if problem.classification else "mse"
    tuned: dict[int, dict[str, Tuned]] = {}
    tested: dict[int, dict[str, Scores]] = {}
    shapes = {k: Shape(ways=plan.ways, shots=k, query=plan.query) for k in plan.shots}
    drawn = {k: problem.splits.test.episodes(plan.episodes, shape, plan.seed) for k, shape in shapes.items()}
    for shots, episodes in drawn.items():
        tests = [source.task(episode) for source, episode in episodes]
        names = [getattr(episode, "conditions", ()) for _, episode in episodes]
        chosen = feasible(problem.splits.validation, shapes[shots])
        tries = problem.splits.validation.tasks(plan.tuning_tasks, chosen, plan.seed + 1)
        work = sum(len(c.grid) * len(tries) + len(tests) for c in contenders)
        report = _counter(progress, f"{shots} shots", work)
        tuned[shots] = {c.name: tune(c, tries, report) for c in contenders}
        tested[shots] = {
            name: evaluate(
                t.predictor, tests, classification=problem.classification, conditions=names, progress=report
            )
            for name, t in tuned[shots].items()
        }
    baselines = [c.name for c in contenders if c.algorithm.consumes != "tasks"]
    baseline = {k: best({b: tested[k][b] for b in baselines}, metric) for k in plan.shots if baselines}
    recommended = recommend(tuned)
    result = EvaluationResult(
        title=title,
        data=problem.data,
        split=problem.split,
        protocol=Protocol(
            ways=plan.ways,
            query=plan.query,
            episodes=plan.episodes,
            seed=plan.seed,
            mode="transductive" if any(c.algorithm.transductive for c in contenders) else "inductive",
            hardware=hardware(),
            date=datetime.now(UTC).date().isoformat(),
            command=command,
            seconds=round(time.monotonic() - began, 1),
        ),
        methods=tuple(_method(c, {k: tuned[k][c.name] for k in plan.shots}) for c in contenders),
        shots=plan.shots,
        scores=tuple(_scores(tested)),
        differences=tuple(_differences(tested, baseline, metric)),
        recommended=recommended,
        baseline=baseline,
        conditions=tuple(_conditions(tested)),
        calibration=tuple(_calibration(tested)),
        summary=(),
    )
    return result.model_copy(update={"summary": summarise(result)})


def _counter(progress: Progress | None, what: str, total: int) -> Callable[[int], None] | None:
    if progress is None:
        return None
    done = 0

    def report(more: int) -> None:
        nonlocal done
        done += more
        progress(what, done, total)

    return report


def _method(contender: Contender, tuned: Mapping[int, Tuned]) -> Method:
    return Method(
        name=contender.name,
        title=contender.title,
        learns_from=contender.algorithm.consumes,
        settings={shots: t.settings for shots, t in tuned.items() if t.settings},
    )


def _scores(tested: Mapping[int, Mapping[str, Scores]]) -> Iterator[Score]:
    for shots, methods in tested.items():
        for name, scores in methods.items():
            for metric in scores.metrics:
                yield Score(method=name, shots=shots, metric=metric, **_plain(scores.interval(metric)))


def _differences(
    tested: Mapping[int, Mapping[str, Scores]], baseline: Mapping[int, str], metric: str
) -> Iterator[Difference]:
    for shots, against in baseline.items():
        for name, scores in tested[shots].items():
            if name != against:
                found = difference(scores, tested[shots][against], metric)
                yield Difference(method=name, against=against, shots=shots, metric=metric, **_plain(found))


def _conditions(tested: Mapping[int, Mapping[str, Scores]]) -> Iterator[ConditionScore]:
    for shots, methods in tested.items():
        for name, scores in methods.items():
            for condition, (right, total) in sorted(scores.recall.items()):
                yield ConditionScore(method=name, shots=shots, condition=condition, right=right, total=total)


def _calibration(tested: Mapping[int, Mapping[str, Scores]]) -> Iterator[CalibrationBin]:
    for shots, methods in tested.items():
        for name, scores in methods.items():
            if not scores.confidence:
                continue
            confidence, right = np.concatenate(scores.confidence), np.concatenate(scores.right)
            for part in np.array_split(np.argsort(confidence, kind="stable"), _BINS):
                if len(part):
                    yield CalibrationBin(
                        method=name,
                        shots=shots,
                        confidence=float(confidence[part].mean()),
                        accuracy=float(right[part].mean()),
                        cases=len(part),
                    )


def _plain(interval: Interval) -> dict[str, Any]:
    return {k: None if v != v else v for k, v in interval._asdict().items()}
