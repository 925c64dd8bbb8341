"""A handful of people followed over time: a base that ships, adapted to each of them, beside their own ridge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from metadx.algorithms import TITLES, Algorithm, Dimensions, LastTarget, LastValue, OwnLine, Ridge
from metadx.cases import Cases, fit_transform
from metadx.evaluation import DataDescription, Part, Scores, SplitDescription, evaluate
from metadx.studies.comparison import verdict
from metadx.studies.contenders import Contender, tune
from metadx.studies.exam import Outcome, Plan
from metadx.studies.own.bases import Base
from metadx.studies.own.meta import joined
from metadx.studies.problem import Problem, target_scale
from metadx.studies.study import contender
from metadx.tasks import MetaDataset, MetaSplits, PatientSource, Task

_SHOTS, _VISITS = (50, 288, 864), (3, 5, 10)
_HISTORY = (240.0, 4320.0)


def adapt_to_few(
    cases: Cases, base: Base | None, described: DataDescription, *, command: str, seconds: float
) -> Part | None:
    """What the base, where there is one, and the baselines foresee of every person.

    Settings are chosen on the other people. None where nobody has enough cases.
    """
    if base is None:
        transform, target, wanted = fit_transform(cases), target_scale(cases), _VISITS
        ready = [_plain("own_line", OwnLine()), _plain("last_target", LastTarget())]
        history = max(float(np.ptp(np.asarray(cases.time, dtype=float))), 1.0)
        source = PatientSource(cases, (history / 10, 2 * history), transform, target, "people")
    else:
        transform, wanted = base.transform(), _SHOTS
        target = (base.about["target"][0], base.about["target"][1])
        source = PatientSource(cases, _HISTORY, transform, target, "people")
        mine = contender("meta_ridge", base.build(), base.params, base.state)
        ready = [replace(mine, title=f"{TITLES['meta_ridge']}, the base that ships")]
        ready += [_plain("ridge", Ridge(carry=True)), _plain("last_value", LastValue())]
    shots = tuple(k for k in wanted if source.with_first(k))
    if not shots:
        return None
    outcomes = [_outcome(who, source, shots, target[1]) for who in ready]
    people = sorted(set(cases.patient.tolist()))
    empty = MetaDataset("train")
    problem = Problem(
        MetaSplits(empty, MetaDataset("validation"), MetaDataset("test", [source])),
        Dimensions(transform.shape, 1, 0, classification=False),
        described,
        SplitDescription(train={}, validation={}, test={p: int((cases.patient == p).sum()) for p in people}),
        classification=False,
    )
    plan = Plan(shots, 2, 10_000, len(people), len(people), 0)
    result = verdict("People followed over time", problem, outcomes, plan, command=command, seconds=seconds)
    found = result.recommended[max(shots)]
    return Part(
        name="patients",
        heading="How well is each person foreseen from their own first readings?",
        told=(
            *(("The base was meta-trained on other people.",) if base else ()),
            "Every method saw each person's first cases and was asked about all later ones; settings were "
            "chosen on the "
            "other people.",
            *result.summary,
        ),
        basis=f"{len(people)} people; 95 % intervals over people",
        metric="rmse",
        winner=next(o.title for o in outcomes if o.name == found),
        result=result,
    )


def _plain(name: str, algorithm: Algorithm) -> Contender:
    return contender(name, algorithm, {}, {})


def _outcome(who: Contender, source: PatientSource, shots: Sequence[int], spread: float) -> Outcome:
    outcome = Outcome(
        who.name,
        who.title,
        who.algorithm.consumes,
        who.algorithm.transductive,
        settings={},
        validation={},
        test={},
    )
    for k in shots:
        people = source.with_first(k)
        tasks = [source.task(source.first(person, k)) for person in people]
        validation, test = [], []
        for at, task in enumerate(tasks):
            others = [other for i, other in enumerate(tasks) if i != at] or _early(source, people[at], k)
            tuned = tune(who, others)
            outcome.settings[k] = tuned.settings
            validation.append(tuned.validation)
            test.append(evaluate(tuned.predictor, [task], classification=False))
        outcome.validation[k] = _scaled(joined(validation), spread)
        outcome.test[k] = _scaled(joined(test), spread)
    return outcome


def _early(source: PatientSource, person: str, shots: int) -> list[Task]:
    """Where there is one person only, settings are chosen within what they were adapted to."""
    rows = source.rows(person)[:shots]
    half = len(rows) // 2
    return [Task(source.examples(rows[:half]), source.examples(rows[half:]))]


def _scaled(scores: Scores, spread: float) -> Scores:
    episode = {
        name: values * (spread**2 if name == "mse" else spread) for name, values in scores.episode.items()
    }
    return replace(scores, episode=episode)
