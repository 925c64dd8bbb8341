"""Measures patients as tasks: `python tools/measure_signals.py [glucose] [parkinsons]`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from metadx.algorithms import TITLES, Dimensions, as_predictor, build_algorithm
from metadx.cases import Cases, fit_table, get, load
from metadx.cases.preprocess import fit_signal
from metadx.cases.signals import read_glucose
from metadx.evaluation import Interval, Scores, evaluate, mean_interval
from metadx.learners import NamedSettings
from metadx.studies.contenders import Contender, tune
from metadx.studies.results import Row, interval_row, write_row
from metadx.studies.study import contender
from metadx.tasks import MetaDataset, PatientSource, Shape, Task
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
    "meta_ridge": {"name": "meta_ridge", "carry": True},
    "pooled": {"name": "pooled"},
    "ridge": {"name": "ridge", "carry": True},
    "last_value": {"name": "last_value"},
}
_VALIDATION = 40
_MOST_SHOTS = 600
_LEARNER = NamedSettings.model_validate({"name": "mlp", "hidden": [64, 32], "activation": "gelu"})
_TRAINED = {
    "meta_ridge": TrainingSettings(
        iterations=3000, meta_batch=8, lr=3e-3, schedule="one_cycle", clip=1.0, keep="last"
    ),
    "pooled": TrainingSettings(iterations=3000, meta_batch=256, lr=3e-3, schedule="one_cycle", keep="last"),
}

_VISITS_TRAINED = {  # between patients scores differ ten times as much as within: the prior has far to go
    name: s.model_copy(update={"iterations": 2000, "lr": 1e-2}) for name, s in _TRAINED.items()
}
VISITS, _FOLDS = (3, 5, 10), 6


def glucose() -> None:
    """Glucose ahead, each cohort held out in turn: its people's first days are support, the rest is query."""
    for horizon in (30.0, 60.0):
        cohorts = {
            name: read_glucose(get(name, allow_unverified=True), horizon=horizon, history=HISTORY)
            for name in COHORTS
        }
        for held, target in COHORTS.items():
            _held_out(held, cohorts, horizon, target if horizon == 30 else None)


def _held_out(held: str, cohorts: dict[str, Cases], horizon: float, target: float | None) -> None:
    known = [cases for name, cases in cohorts.items() if name != held]
    transform = fit_signal(np.concatenate([cases.x for cases in known]))
    scale = (float(transform.mean[0]), float(transform.std[0]))
    learning, validating = _sides(known)
    sources = [PatientSource(c, (LEAST, MOST), transform, scale) for c in learning]
    dataset = MetaDataset("train", sources, Shape(shots=_MOST_SHOTS, query=100))
    validation = _tasks([PatientSource(c, (LEAST, MOST), transform, scale) for c in validating])
    test = _tasks([PatientSource(cohorts[held], (LEAST, MOST), transform, scale)])
    size = Dimensions(transform.shape, 1, 0, classification=False)
    found: dict[str, Scores] = {}
    for who in (*_trained(dataset, validation, size, _TRAINED, carry=True), *_alone(size)):
        predictor = tune(who, validation).predictor
        found[who.name] = evaluate(predictor, test, classification=False)
    _write(held, horizon, found, scale[1], target)


def _sides(known: Sequence[Cases]) -> tuple[list[Cases], list[Cases]]:
    """Every fifth person of each cohort validates; the others train."""
    learning, validating = [], []
    for cases in known:
        people = np.unique(cases.patient)
        apart = np.isin(cases.patient, people[::5])
        learning.append(cases.select(~apart))
        validating.append(cases.select(apart))
    return learning, validating


def _tasks(sources: Sequence[PatientSource]) -> list[Task]:
    """One task per person: the first days, or half of the recording if that is shorter, then everything later."""
    tasks = []
    for source in sources:
        for patient in sorted(source.patients()):
            time = source.cases.time[source.rows(patient)]  # type: ignore[index]
            long = min(MOST, float(np.ptp(time)) / 2)
            task = source.task(source.whole(patient, long))
            if len(task.support.x) >= _LEAST_CASES and len(task.query.x) >= _LEAST_CASES:
                tasks.append(task)
    return tasks


def _trained(
    dataset: MetaDataset,
    validation: Sequence[Task],
    size: Dimensions,
    how: Mapping[str, TrainingSettings],
    *,
    carry: bool,
) -> list[Contender]:
    made = []
    for name, settings in how.items():
        own = _SETTINGS[name] | ({"carry": carry} if "carry" in _SETTINGS[name] else {})
        algorithm = build_algorithm(NamedSettings.model_validate(own), _LEARNER, size)
        with progress_bar(name, settings.iterations, CONSOLE) as bar:
            trained = train(
                algorithm, feed_for(algorithm, dataset), validation[:_VALIDATION], settings, [bar]
            )
        made.append(contender(name, trained.algorithm, trained.params, trained.state))
    return made


def _alone(size: Dimensions) -> list[Contender]:
    """The patient's own ridge, and persistence."""
    made = []
    for name in ("ridge", "last_value"):
        algorithm = build_algorithm(NamedSettings.model_validate(_SETTINGS[name]), _LEARNER, size)
        made.append(contender(name, algorithm, *algorithm.init(np.random.default_rng(0))))
    return made


def _write(held: str, horizon: float, found: dict[str, Scores], scale: float, target: float | None) -> None:
    """RMSE over people, how far below persistence, and the differences paired over people."""
    rmse = {name: scale * np.sqrt(scores.episode["mse"]) for name, scores in found.items()}
    people = f"{held.removeprefix('glucose_')}, {horizon:g} minutes ahead"
    rows = []
    for name, values in rmse.items():
        spread = f"spread over people {values.std():.1f}"
        what = f"{TITLES[name]}, {people}: RMSE, mean over people ({spread})"
        rows.append(
            _row(f"{held}-{horizon:g}min-{name}", what, "mg/dL", mean_interval(values), better="lower")
        )
    mine, title = rmse["meta_ridge"], TITLES["meta_ridge"]
    below = Interval(*(100 * x for x in mean_interval(1 - mine / rmse["last_value"])[:3]), len(mine))
    what = f"{title}, {people}: RMSE below persistence, mean over people"
    rows.append(_row(f"{held}-{horizon:g}min-gain", what, "%", below, target=target))
    for other in ("ridge", "pooled"):
        what = f"{title}, {people}: RMSE less than that of {TITLES[other].lower()}, paired over people"
        less = mean_interval(rmse[other] - mine)
        goal = 0.0 if horizon == 30 else None
        rows.append(_row(f"{held}-{horizon:g}min-over-{other}", what, "mg/dL", less, target=goal))
    for row in rows:
        write_row(RESULTS, row)
        print(row.id, None if row.value is None else round(row.value, 2), row.low, flush=True)


def _row(id: str, what: str, metric: str, found: Interval, **rest: object) -> Row:
    return interval_row(id, what, metric, found, "python tools/measure_signals.py glucose", **rest)


def parkinsons() -> None:
    """UPDRS of later visits from a patient's first 3, 5 or 10, patients left out in turn."""
    cases = load("parkinsons", allow_unverified=True)
    people = np.random.default_rng(0).permutation(np.unique(cases.patient))
    errors: dict[int, dict[str, list[float]]] = {visits: {} for visits in VISITS}
    for held in np.array_split(people, _FOLDS):
        outside = np.isin(cases.patient, held)
        known = cases.select(~outside)
        transform = fit_table(known.x)
        scale = (float(known.y.mean()), float(known.y.std()))
        learning = PatientSource(known, (14.0, 200.0), transform, scale)
        dataset = MetaDataset("train", [learning], Shape(shots=30, query=20))
        size = Dimensions(transform.shape, 1, 0, classification=False)
        ready = _trained(dataset, [], size, _VISITS_TRAINED, carry=False)
        source = PatientSource(cases.select(outside), 200.0, transform, scale)
        for visits, found in errors.items():
            for patient in source.with_first(visits):
                for name, error in _after(source, patient, visits, ready).items():
                    found.setdefault(name, []).append(error)
    for visits, found in errors.items():
        _write_visits(visits, {name: np.array(values) for name, values in found.items()})


def _after(source: PatientSource, patient: str, visits: int, ready: Sequence[Contender]) -> dict[str, float]:
    """Mean absolute errors of everybody on a patient's later visits, in points."""
    episode = source.first(patient, visits)
    task = source.task(episode)
    time, y = np.asarray(source.cases.time), source.cases.y
    before, later = (np.asarray(rows) for rows in (episode.support, episode.query))
    line = np.polynomial.Polynomial.fit(time[before], y[before], 1)
    centre, spread = source.target
    foreseen = {"last_visit": np.full(len(later), y[before[-1]]), "own_line": line(time[later])}
    for who in ready:
        output = as_predictor(who.algorithm, who.params, who.state)([task])[0]
        foreseen[who.name] = output[:, 0] * spread + centre
    return {name: float(np.abs(values - y[later]).mean()) for name, values in foreseen.items()}


def _write_visits(visits: int, mae: dict[str, NDArray[np.float64]]) -> None:
    titles = {"last_visit": "Last score carried forward", "own_line": "The patient's own line", **TITLES}
    what = f"after {visits} visits, Parkinson's telemonitoring, interpolated UPDRS, {len(mae['own_line'])} patients"
    command = "python tools/measure_signals.py parkinsons"
    for name, values in mae.items():
        text = f"{titles[name]}, {what}: mean absolute error"
        found = mean_interval(values)
        row = interval_row(
            f"parkinsons-{visits:02d}visits-{name}", text, "points", found, command, better="lower"
        )
        write_row(RESULTS, row)
        print(row.id, row.value, flush=True)
    rival = min(("last_visit", "own_line"), key=lambda name: float(mae[name].mean()))
    less = mean_interval(mae[rival] - mae["meta_ridge"])
    text = f"{TITLES['meta_ridge']} against {titles[rival].lower()}, {what}: error less, paired"
    target = 0.0 if visits == 5 else None
    row = interval_row(f"parkinsons-{visits:02d}visits-gain", text, "points", less, command, target=target)
    write_row(RESULTS, row)
    print(row.id, row.value, row.low, flush=True)


JOBS: dict[str, Callable[[], None]] = {"glucose": glucose, "parkinsons": parkinsons}

if __name__ == "__main__":
    for job in sys.argv[1:] or JOBS:
        JOBS[job]()
