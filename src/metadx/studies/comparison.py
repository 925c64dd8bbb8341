"""Contenders against each other on the same meta-test episodes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from metadx.evaluation import (
    CalibrationBin,
    ConditionScore,
    DataDescription,
    Difference,
    EvaluationResult,
    Interval,
    Method,
    Protocol,
    Score,
    Scores,
    best,
    difference,
)
from metadx.studies.contenders import Contender, recommend
from metadx.studies.exam import Outcome, Plan, Progress, draw_exam, sit_all
from metadx.studies.hardware import hardware
from metadx.studies.problem import Problem
from metadx.studies.recipe import AugmentSettings
from metadx.studies.summary import summarise

_BINS = 10


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
    exam = draw_exam(problem, plan)
    outcomes = sit_all(contenders, exam, progress)
    return verdict(title, problem, outcomes, plan, command=command, seconds=time.monotonic() - began)


def verdict(
    title: str,
    problem: Problem,
    outcomes: Sequence[Outcome],
    plan: Plan,
    *,
    command: str,
    seconds: float,
) -> EvaluationResult:
    """What contenders that sat the same exam come to beside each other: scores, differences, the recommendation."""
    metric = "accuracy" if problem.classification else "mse"
    tested = {k: {o.name: o.test[k] for o in outcomes} for k in plan.shots}
    baselines = [o.name for o in outcomes if o.learns_from != "tasks"]
    baseline = {k: best({b: tested[k][b] for b in baselines}, metric) for k in plan.shots if baselines}
    result = EvaluationResult(
        title=title,
        data=_as_seen(problem.data, plan),
        split=problem.split,
        protocol=Protocol(
            ways=plan.ways,
            query=plan.query,
            episodes=plan.episodes,
            seed=plan.seed,
            mode="transductive" if any(o.transductive for o in outcomes) else "inductive",
            hardware=hardware(),
            date=datetime.now(UTC).date().isoformat(),
            command=command,
            seconds=round(seconds, 1),
        ),
        methods=tuple(_method(o) for o in outcomes),
        shots=plan.shots,
        scores=tuple(_scores(tested)),
        differences=tuple(_differences(tested, baseline, metric)),
        recommended=recommend({k: {o.name: o.validation[k] for o in outcomes} for k in plan.shots}),
        baseline=baseline,
        conditions=tuple(_conditions(tested)),
        calibration=tuple(_calibration(tested)),
        summary=(),
    )
    return result.model_copy(update={"summary": summarise(result)})


def _as_seen(data: DataDescription, plan: Plan) -> DataDescription:
    """The data, with a note where the pictures of episodes were changed."""
    if not plan.augment:
        return data
    how = plan.augment
    each = AugmentSettings(support=how, query=how) if isinstance(how, tuple) else how
    words = (
        f"Pictures of the evaluation were changed at random: support {list(each.support)}, "
        f"query {list(each.query)}."
    )
    return data.model_copy(update={"notes": (*data.notes, words)})


def _method(outcome: Outcome) -> Method:
    return Method(
        name=outcome.name,
        title=outcome.title,
        learns_from=outcome.learns_from,
        settings={shots: settings for shots, settings in outcome.settings.items() if settings},
    )


def _scores(tested: Mapping[int, Mapping[str, Scores]]) -> Iterator[Score]:
    for shots, methods in tested.items():
        for name, scores in methods.items():
            for metric in scores.metrics:
                yield Score(method=name, shots=shots, metric=metric, **plain(scores.interval(metric)))


def _differences(
    tested: Mapping[int, Mapping[str, Scores]], baseline: Mapping[int, str], metric: str
) -> Iterator[Difference]:
    for shots, against in baseline.items():
        for name, scores in tested[shots].items():
            if name != against:
                found = difference(scores, tested[shots][against], metric)
                yield Difference(method=name, against=against, shots=shots, metric=metric, **plain(found))


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


def plain(interval: Interval) -> dict[str, Any]:
    """An interval as a result holds it: None for what is not a number."""
    return {k: None if v != v else v for k, v in interval._asdict().items()}
