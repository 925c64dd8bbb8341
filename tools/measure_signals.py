"""Measures patients as tasks: `python tools/measure_signals.py [glucose] [guard] [parkinsons]`."""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console

from metadx.algorithms import (
    TITLES,
    Algorithm,
    Dimensions,
    adapt_guarded,
    as_predictor,
    build_algorithm,
    solve,
)
from metadx.cases import Cases, fit_transform, get
from metadx.cases.preprocess import fit_signal
from metadx.cases.signals import read_glucose, read_visits
from metadx.diagnosis.interval import half_width
from metadx.evaluation import Interval, Scores, evaluate, mean_interval
from metadx.learners import NamedSettings
from metadx.studies.contenders import Contender, tune
from metadx.studies.results import Row, interval_row, write_row
from metadx.studies.study import contender
from metadx.tasks import Examples, MetaDataset, PatientSource, Shape, Task
from metadx.training import TrainingSettings, feed_for, progress_bar, train

RESULTS = Path(__file__).resolve().parent.parent / "results"
CONSOLE = Console(stderr=True)
COHORTS = {  # catalogue name, and how much better than persistence the forecast should be, in %
    "glucose_hupa": 20.0,
    "glucose_shanghai_t1": 20.0,
    "glucose_shanghai_t2": 15.0,
    "glucose_hall": 5.0,
    "glucose_colas": 0.0,
}
DAY = 24 * 60.0
LEAST, MOST = 4 * 60.0, 3 * DAY
HISTORY = 120.0
_LEAST_CASES = 20
_SETTINGS: dict[str, dict[str, Any]] = {
    "mixed_effects": {"name": "mixed_effects", "carry": True},
    "meta_ridge": {"name": "meta_ridge", "carry": True},
    "pooled": {"name": "pooled"},
    "ridge": {"name": "ridge", "carry": True},
    "last_value": {"name": "last_value"},
}
_VALIDATION_CASES = 500
_MOST_SHOTS = 600
_LEARNER = NamedSettings.model_validate({"name": "mlp", "hidden": [64, 32], "activation": "gelu"})
_EM = TrainingSettings(iterations=200, meta_batch=16, optimizer="sgd", lr=1.0, schedule="linear", keep="last")
_TRAINED = {
    "mixed_effects": _EM,
    "meta_ridge": TrainingSettings(
        iterations=3000, meta_batch=8, lr=3e-3, schedule="one_cycle", clip=1.0, keep="last"
    ),
    "pooled": TrainingSettings(iterations=3000, meta_batch=256, lr=3e-3, schedule="one_cycle", keep="last"),
}

VISITS, _FOLDS, _LATER = (3, 5, 10), 6, 200.0
SCORES = {"total": "total_UPDRS", "motor": "motor_UPDRS"}
_VISITS_TRAINED = {
    "mixed_effects": _EM,
    "pooled": _TRAINED["pooled"].model_copy(update={"iterations": 2000, "lr": 1e-2}),
}
HORIZONS = {30.0: ("mixed_effects", "meta_ridge", "pooled"), 60.0: ("mixed_effects", "pooled")}
LEVEL = 0.9
_TITLE, _COURSE = "Mixed-effects regression", "Mixed-effects course over time"
_RIVALS = ("own_line", "last_target")


class Person(NamedTuple):
    """One person's task, and how many cases lie within the reach of a case."""

    task: Task
    gap: int


class Held(NamedTuple):
    """A cohort that is held out, and what the others make of it.

    Args:
        dataset: meta-training people of the other cohorts.
        validation: tasks of other people of them.
        test: the people of the cohort.
        size: what a network must fit.
        spread: of the signal, mg/dL.
    """

    dataset: MetaDataset
    validation: list[Task]
    test: list[Person]
    size: Dimensions
    spread: float


def read_cohorts(horizon: float) -> dict[str, Cases]:
    """The cases of every cohort."""
    return {
        name: read_glucose(get(name, allow_unverified=True), horizon=horizon, history=HISTORY)
        for name in COHORTS
    }


def glucose() -> None:
    """Glucose ahead, each cohort held out in turn: its people's first days are support, the rest is query."""
    for horizon in HORIZONS:
        cohorts = read_cohorts(horizon)
        for held in COHORTS:
            forecast_cohort(held, cohorts, horizon)


def forecast_cohort(held: str, cohorts: Mapping[str, Cases], horizon: float) -> None:
    """Every method on the people of one cohort, the others known."""
    given = _without(held, cohorts)
    how = {name: _TRAINED[name] for name in HORIZONS[horizon]}
    found: dict[str, Scores] = {}
    for who in (
        *_trained(given.dataset, given.size, how, carry=True),
        *_alone(given.size, ("ridge", "last_value")),
    ):
        tuned = tune(who, given.validation)
        found[who.name] = evaluate(
            tuned.predictor, [person.task for person in given.test], classification=False
        )
        print(held, horizon, who.name, tuned.settings, np.mean(tuned.validation.episode["mse"]), flush=True)
    _write(held, horizon, found, given.spread, COHORTS[held] if horizon == 30 else None)


def guard() -> None:
    """What holding back the latest support cases decides, and what the intervals from them hold."""
    for horizon in HORIZONS:
        guard_people(horizon)


def guard_people(horizon: float) -> None:
    """The people of all cohorts, each cohort held out in turn."""
    cohorts = read_cohorts(horizon)
    kept: dict[str, list[tuple[float, ...]]] = {}
    for held in COHORTS:
        given = _without(held, cohorts)
        ready = _trained(given.dataset, given.size, {"mixed_effects": _EM}, carry=True)
        for who in (*ready, *_alone(given.size, ("ridge",))):
            settings = tune(who, given.validation).settings
            algorithm = dataclasses.replace(who.algorithm, **settings)  # type: ignore[type-var]
            kept.setdefault(who.name, []).extend(
                _kept(algorithm, who, person, given.spread) for person in given.test
            )
    _write_guard(horizon, {name: np.array(people) for name, people in kept.items()})


def _without(held: str, cohorts: Mapping[str, Cases]) -> Held:
    known = [cases for name, cases in cohorts.items() if name != held]
    transform = fit_signal(np.concatenate([cases.x for cases in known]))
    scale = (float(transform.mean[0]), float(transform.std[0]))
    learning, validating = _sides(known)
    sources = [PatientSource(c, (LEAST, MOST), transform, scale) for c in learning]
    others = _people([PatientSource(c, (LEAST, MOST), transform, scale) for c in validating])
    return Held(
        MetaDataset("train", sources, Shape(shots=_MOST_SHOTS, query=100)),
        [_thinned(person.task) for person in others],
        _people([PatientSource(cohorts[held], (LEAST, MOST), transform, scale)]),
        Dimensions(transform.shape, 1, 0, classification=False),
        scale[1],
    )


def _kept(algorithm: Algorithm, who: Contender, person: Person, spread: float) -> tuple[float, ...]:
    """Whether the guard kept the base; RMSE adapted, not adapted, and with the guard; coverage of its interval."""
    task = person.task
    adapted, trial = adapt_guarded(algorithm, who.params, who.state, task.support, gap=person.gap)
    nobody = Task(Examples(*(t[:0] for t in task.support)), task.query)
    with torch.no_grad():
        base = solve(algorithm, who.params, who.state, nobody) - task.query.y
        own = solve(algorithm, who.params, who.state, task) - task.query.y
        left = algorithm.predict(who.params, who.state, adapted, task.query.x) - task.query.y
    inside = np.nan
    if trial is not None and (half := half_width(trial.errors.numpy(), LEVEL)) is not None:
        inside = float((left.abs() <= half).double().mean())
    rmse = [spread * float(error.square().mean()) ** 0.5 for error in (own, base, left)]
    return float(trial is not None and not trial.helps), *rmse, inside


def _sides(known: Sequence[Cases]) -> tuple[list[Cases], list[Cases]]:
    """Every fifth person of each cohort validates; the others train."""
    learning, validating = [], []
    for cases in known:
        people = np.unique(cases.patient)
        apart = np.isin(cases.patient, people[::5])
        learning.append(cases.select(~apart))
        validating.append(cases.select(apart))
    return learning, validating


def _people(sources: Sequence[PatientSource]) -> list[Person]:
    """One task per person: the first days, or half of the recording if that is shorter, then everything later."""
    people = []
    for source in sources:
        for patient in sorted(source.patients()):
            time = np.asarray(source.cases.time)[source.rows(patient)]
            long = min(MOST, float(np.ptp(time)) / 2)
            task = source.task(source.whole(patient, long))
            if len(task.support.x) >= _LEAST_CASES and len(task.query.x) >= _LEAST_CASES:
                people.append(Person(task, round(sum(source.cases.reach) / float(np.median(np.diff(time))))))
    return people


def _thinned(task: Task) -> Task:
    """With every so many of the query cases, which are thousands for some people."""
    step = max(len(task.query.x) // _VALIDATION_CASES, 1)
    return Task(task.support, Examples(*(t[::step] for t in task.query)))


def _trained(
    dataset: MetaDataset,
    size: Dimensions,
    how: Mapping[str, TrainingSettings],
    *,
    carry: bool,
    course: bool = False,
) -> list[Contender]:
    made = []
    for name, settings in how.items():
        own = _SETTINGS.get(name, {"name": name})
        own = own | ({"carry": carry} if "carry" in own else {})
        own = own | ({"time": 0} if course and name == "mixed_effects" else {})
        algorithm = build_algorithm(NamedSettings.model_validate(own), _LEARNER, size)
        with progress_bar(name, settings.iterations, CONSOLE) as bar:
            trained = train(algorithm, feed_for(algorithm, dataset), [], settings, [bar])
        made.append(contender(name, trained.algorithm, trained.params, trained.state))
    return made


def _alone(size: Dimensions, names: Sequence[str]) -> list[Contender]:
    """Methods that learn of nobody else."""
    made = []
    for name in names:
        algorithm = build_algorithm(
            NamedSettings.model_validate(_SETTINGS.get(name, {"name": name})), _LEARNER, size
        )
        made.append(contender(name, algorithm, *algorithm.init(np.random.default_rng(0))))
    return made


def _write(held: str, horizon: float, found: dict[str, Scores], scale: float, target: float | None) -> None:
    """RMSE over people, how far below persistence, and the differences paired over people."""
    rmse = {name: scale * np.sqrt(scores.episode["mse"]) for name, scores in found.items()}
    people = f"{held.removeprefix('glucose_')}, {horizon:g} minutes ahead"
    rows = []
    for name, values in rmse.items():
        spread = f"spread over people {values.std():.1f}"
        what = f"{_TITLE if name == 'mixed_effects' else TITLES[name]}, {people}: RMSE, mean over people ({spread})"
        rows.append(
            _row(f"{held}-{horizon:g}min-{name}", what, "mg/dL", mean_interval(values), better="lower")
        )
    mine, title = rmse["mixed_effects"], _TITLE
    below = Interval(*(100 * x for x in mean_interval(1 - mine / rmse["last_value"])[:3]), len(mine))
    what = f"{title}, {people}: RMSE below persistence, mean over people"
    rows.append(_row(f"{held}-{horizon:g}min-gain", what, "%", below, target=target))
    for other in (name for name in ("ridge", "pooled", "meta_ridge") if name in rmse):
        what = f"{title}, {people}: RMSE less than that of {TITLES[other].lower()}, paired over people"
        less = mean_interval(rmse[other] - mine)
        goal = 0.0 if horizon == 30 and other != "meta_ridge" else None
        rows.append(_row(f"{held}-{horizon:g}min-over-{other}", what, "mg/dL", less, target=goal))
    for row in rows:
        write_row(RESULTS, row)
        print(row.id, None if row.value is None else round(row.value, 2), row.low, flush=True)


def _write_guard(horizon: float, kept: Mapping[str, NDArray[np.float64]]) -> None:
    """What holding back the latest support cases decides, over the people of all cohorts held out."""
    for name, people in kept.items():
        base_kept, adapted, base, guarded, inside = people.T
        harmed = base < adapted
        title = _TITLE if name == "mixed_effects" else TITLES[name]
        what = f"{title}, glucose {horizon:g} minutes ahead, all cohorts held out in turn"
        first = f"guard-glucose-{horizon:g}min-{name}"
        every = (
            ("harmed", "people for whom adapting does harm on their later readings", "%", 100 * harmed),
            ("kept", "people for whom the base model is kept", "%", 100 * base_kept),
            (
                "caught",
                "of those for whom adapting does harm, the base is kept for",
                "%",
                100 * base_kept[harmed],
            ),
            ("gain", "RMSE less with the guard than without, paired over people", "mg/dL", adapted - guarded),
            ("inside", "later readings inside the 90 % interval, mean over people", "%", 100 * inside),
        )
        for part, words, metric, values in every:
            if len(values) > 1:
                over = mean_interval(values[np.isfinite(values)])
                row = _row(f"{first}-{part}", f"{what}: {words}", metric, over, "guard")
                write_row(RESULTS, row)
                print(row.id, row.value, row.low, row.n, flush=True)


def _row(id: str, what: str, metric: str, found: Interval, job: str = "glucose", **rest: object) -> Row:
    return interval_row(id, what, metric, found, f"python tools/measure_signals.py {job}", **rest)


def parkinsons() -> None:
    """UPDRS of later visits from a patient's first 3, 5 or 10, patients left out in turn."""
    file = get("parkinsons", allow_unverified=True)
    for name, target in SCORES.items():
        others = [other for other in SCORES.values() if other != target]
        follow(name, read_visits(file, patient="subject#", time="test_time", target=target, leave_out=others))


def follow(score: str, cases: Cases) -> None:
    """One of the scores."""
    people = np.random.default_rng(0).permutation(np.unique(cases.patient))
    found: dict[int, dict[str, list[float]]] = {visits: {} for visits in VISITS}
    for held in np.array_split(people, _FOLDS):
        _leave_out(cases, held, found)
    for visits, errors in found.items():
        _write_visits(score, visits, {who: np.array(values) for who, values in errors.items()})


def _leave_out(cases: Cases, held: Sequence[str], found: Mapping[int, dict[str, list[float]]]) -> None:
    """Trains on everybody else, and adds the mean absolute error on each patient's later visits, in points."""
    outside = np.isin(cases.patient, held)
    known = cases.select(~outside)
    transform = fit_transform(known)
    scale = (float(known.y.mean()), float(known.y.std()))
    dataset = MetaDataset(
        "train", [PatientSource(known, (14.0, _LATER), transform, scale)], Shape(shots=30, query=20)
    )
    size = Dimensions(transform.shape, 1, 0, classification=False)
    ready = [*_trained(dataset, size, _VISITS_TRAINED, carry=False, course=True), *_alone(size, _RIVALS)]
    source = PatientSource(cases.select(outside), _LATER, transform, scale)
    for visits, errors in found.items():
        tasks = [source.task(source.first(patient, visits)) for patient in source.with_first(visits)]
        for who in ready:
            scores = evaluate(as_predictor(who.algorithm, who.params, who.state), tasks, classification=False)
            errors.setdefault(who.name, []).extend(scale[1] * scores.episode["mae"])


def _write_visits(score: str, visits: int, mae: Mapping[str, NDArray[np.float64]]) -> None:
    people = len(mae["own_line"])
    what = f"{score} UPDRS, interpolated between clinic visits, after {visits} visits, {people} patients left out"
    command = "python tools/measure_signals.py parkinsons"
    first = f"parkinsons-{score}-{visits:02d}visits"
    rows = [
        interval_row(
            f"{first}-{name}",
            f"{_COURSE if name == 'mixed_effects' else TITLES[name]}, {what}: "
            f"mean absolute error (spread over patients {values.std():.1f})",
            "points",
            mean_interval(values),
            command,
            better="lower",
        )
        for name, values in mae.items()
    ]
    rival = min(_RIVALS, key=lambda name: float(mae[name].mean()))
    text = f"{_COURSE} against the better of line and last score ({rival.replace('_', ' ')})"
    less = mean_interval(mae[rival] - mae["mixed_effects"])
    target = 0.0 if visits == 5 else None
    rows.append(
        interval_row(
            f"{first}-gain", f"{text}, {what}: error less, paired", "points", less, command, target=target
        )
    )
    for row in rows:
        write_row(RESULTS, row)
        print(row.id, row.value, row.low, flush=True)


JOBS: dict[str, Callable[[], None]] = {"glucose": glucose, "guard": guard, "parkinsons": parkinsons}

if __name__ == "__main__":
    for job in sys.argv[1:] or JOBS:
        JOBS[job]()
