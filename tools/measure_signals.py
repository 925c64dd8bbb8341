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
from metadx.cases import Cases, fit_transform, get
from metadx.cases.preprocess import fit_signal
from metadx.cases.signals import read_glucose, read_visits
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

VISITS, _FOLDS, _LATER = (3, 5, 10), 6, 200.0
_SCORES = {"total": "total_UPDRS", "motor": "motor_UPDRS"}
_VISITS_TRAINED = {  # between patients scores differ ten times as much as within: the prior has far to go
    "mixed_effects": TrainingSettings(
        iterations=1500, meta_batch=8, lr=3e-2, schedule="one_cycle", clip=10.0, keep="last"
    ),
    **{name: s.model_copy(update={"iterations": 2000, "lr": 1e-2}) for name, s in _TRAINED.items()},
}
_RIVALS = ("own_line", "last_target")


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
    for who in (
        *_trained(dataset, validation, size, _TRAINED, carry=True),
        *_alone(size, ("ridge", "last_value")),
    ):
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
        own = _SETTINGS.get(name, {"name": name})
        own = own | ({"carry": carry} if "carry" in own else {})
        algorithm = build_algorithm(NamedSettings.model_validate(own), _LEARNER, size)
        with progress_bar(name, settings.iterations, CONSOLE) as bar:
            trained = train(
                algorithm, feed_for(algorithm, dataset), validation[:_VALIDATION], settings, [bar]
            )
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
    file = get("parkinsons", allow_unverified=True)
    for name, target in _SCORES.items():
        others = [other for other in _SCORES.values() if other != target]
        cases = read_visits(file, patient="subject#", time="test_time", target=target, leave_out=others)
        people = np.random.default_rng(0).permutation(np.unique(cases.patient))
        found: dict[int, dict[str, list[float]]] = {visits: {} for visits in VISITS}
        for held in np.array_split(people, _FOLDS):
            _leave_out(cases, held, found)
        for visits, errors in found.items():
            _write_visits(name, visits, {who: np.array(values) for who, values in errors.items()})


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
    ready = [*_trained(dataset, [], size, _VISITS_TRAINED, carry=False), *_alone(size, _RIVALS)]
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
            f"{TITLES[name]}, {what}: mean absolute error (spread over patients {values.std():.1f})",
            "points",
            mean_interval(values),
            command,
            better="lower",
        )
        for name, values in mae.items()
    ]
    rival = min(_RIVALS, key=lambda name: float(mae[name].mean()))
    text = f"{TITLES['mixed_effects']} against the better of line and last score ({rival.replace('_', ' ')})"
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


JOBS: dict[str, Callable[[], None]] = {"glucose": glucose, "parkinsons": parkinsons}

if __name__ == "__main__":
    for job in sys.argv[1:] or JOBS:
        JOBS[job]()
