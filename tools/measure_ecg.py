"""Measures heartbeats by patient on MIT-BIH, inter-patient: `python tools/measure_ecg.py`.

A protocol, `disjoint` or `published`, as argument: that one alone.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from beat_scores import (
    CLASSES,
    DOMINANT,
    MANY,
    Counts,
    count,
    own_f1,
    pooled_f1,
    pooled_gain,
    scores,
    without_dominant,
)
from metadx.algorithms import Algorithm, Dimensions, as_predictor, averaged, build_algorithm, try_adapting
from metadx.cases import Cases, fit_transform, load
from metadx.cases.signals import DS1, DS2, fibrillating
from metadx.evaluation import Interval, Predictor, mean_interval
from metadx.learners import NamedSettings, Tensors
from metadx.studies.contenders import tune
from metadx.studies.results import interval_row, write_row
from metadx.studies.study import contender
from metadx.tasks import MetaDataset, PatientEpisode, PatientSource, Shape, Task
from metadx.training import Feed, TrainingSettings, feed_for, progress_bar, train

RESULTS = Path(__file__).resolve().parent.parent / "results"
COMMAND = "python tools/measure_ecg.py"
DATA = "MIT-BIH DS2"
MINUTES = (0, 1, 2, 5)
_CONVNET: dict[str, Any] = {"name": "signalnet", "steady": 6}
_PERCEPTRON: dict[str, Any] = {"name": "signalmlp", "steady": 6}
_POOLED = {"iterations": 600, "meta_batch": 512, "lr": 2e-3}
_CONVNET_POOLED = {"iterations": 4500, "meta_batch": 128, "lr": 2e-3}
_TASKS = {"iterations": 500, "meta_batch": 5, "lr": 3e-3}
_SHAPE = Shape(shots=160, query=80)
MEMBERS = ("own_normal", "replay", "convnet_replay")
_OFFSET = (0.0, 2.0, 0.0, 0.0, 0.0)
"""Added to the mean log-probabilities, S second: it is called where it is seven times less likely than another."""
_AVERAGE = "Own normal, replay and ConvNet, averaged"
_HISTORY = (60.0, 300.0)
_SIMULATED = 0.15
"""Share of tasks, or of pooled beats, in simulated atrial fibrillation, for the second network of each kind."""


Ready = tuple[Algorithm, Tensors, Tensors]


class Method(NamedTuple):
    """Who is measured, with settings chosen by cross-validation over the patients of DS1 (docs/results.md)."""

    title: str
    predictor: Predictor
    ready: Ready | None = None


class Learning(NamedTuple):
    """What is learned from: the patients as they are, and with some of them also in simulated fibrillation."""

    source: PatientSource
    datasets: list[MetaDataset]
    size: Dimensions


def main() -> None:
    """Both protocols, or those that the arguments name."""
    protocols = {"disjoint": disjoint, "published": published}
    for name in sys.argv[1:] or protocols:
        protocols[name]()


def disjoint() -> None:
    """Trains on DS1 without 201, then tests every method once on the beats of each DS2 patient after the first five
    minutes."""
    cases = load("mitdb_dechazal")
    held = np.isin(cases.patient, DS2)
    learning = _learning(cases.select(~held))
    test = PatientSource(cases.select(held), _HISTORY, learning.source.transform)
    methods = _methods(learning) | {"alone": _alone(learning)}
    found: dict[int, dict[str, Counts]] = {}
    for minutes in reversed(MINUTES):
        names = list(methods) if minutes == max(MINUTES) else MEMBERS
        found[minutes] = counted({name: methods[name] for name in names}, tasks(test, minutes))
        print(minutes, flush=True)
    titles = {name: method.title for name, method in methods.items()}
    write_all(titles | {"average": _AVERAGE}, found)
    members = [ready for name in MEMBERS if (ready := methods[name].ready) is not None]
    together = averaged(members, _OFFSET)
    write_guard(together, tasks(test, max(MINUTES)), found)


def published() -> None:
    """The same after five minutes, trained on DS1 as it was published, whose record 201 is of 202's patient."""
    every = load("mitdb")
    learning = _learning(every.select(np.isin(np.char.partition(np.asarray(every.name), "@")[:, 0], DS1)))
    cases = load("mitdb_dechazal")
    test = PatientSource(cases.select(np.isin(cases.patient, DS2)), _HISTORY, learning.source.transform)
    methods = _methods(learning)
    found = counted(methods, tasks(test, max(MINUTES)))
    titles = {name: f"DS1 with 201: {method.title}" for name, method in methods.items()}
    average = f"DS1 with 201: {_AVERAGE}"
    for name, counts in found.items():
        write_method(f"{name}201", titles.get(name, average), counts)
        if name != "average":
            write_difference(found["average"], counts, f"{name}201", methods[name].title, average)


def counted(methods: Mapping[str, Method], given: Mapping[str, Task]) -> dict[str, Counts]:
    """Confusion matrices of every method, and of the average of the members, from one answer each."""
    answers = {name: answer(method.predictor, given) for name, method in methods.items()}
    answers["average"] = {p: mean([answers[name][p] for name in MEMBERS]) for p in given}
    return {name: count(those, given) for name, those in answers.items()}


def mean(answers: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """What `averaged` says, up to a factor of each beat, of answers that are there already."""
    logs: NDArray[Any] = np.log(np.maximum(answers, np.finfo(np.float32).tiny)).mean(axis=0)
    return np.exp(logs + _OFFSET)


def write_all(titles: Mapping[str, str], found: Mapping[int, Mapping[str, Counts]]) -> None:
    last = found[max(MINUTES)]
    for name, counts in last.items():
        write_method(name, titles[name], counts)
        if name != "average":
            write_difference(last["average"], counts, name, titles[name])
    for minutes in MINUTES[:-1]:
        for name, counts in found[minutes].items():
            write_minutes(name, titles[name], minutes, counts)
    for patient in last["average"]:
        write_patient(patient, {name: last[name][patient] for name in ("average", "replay", "pooled")})


def write_guard(
    together: Ready, given: Mapping[str, Task], found: Mapping[int, Mapping[str, Counts]]
) -> None:
    """What it does to keep the model without support where adapting did harm on the latest support beats."""
    counts, kept = {}, []
    for patient, task in given.items():
        trial = try_adapting(*together, task.support)
        harm = trial is not None and not trial.helps
        kept += [patient] if harm else []
        counts[patient] = found[0 if harm else max(MINUTES)]["average"][patient]
    which = f"base model kept for {len(kept)} of {len(given)} patients: {', '.join(kept) or 'nobody'}"
    write_method("guarded", f"{_AVERAGE}, guarded ({which})", counts)


def _learning(known: Cases) -> Learning:
    transform = fit_transform(known)
    plain = PatientSource(known, _HISTORY, transform)
    simulated = PatientSource(fibrillating(known, np.random.default_rng(0)), _HISTORY, transform)
    datasets = [
        MetaDataset("train", [plain], _SHAPE),
        MetaDataset("train", [plain, simulated], _SHAPE, weights=[1 - _SIMULATED, _SIMULATED]),
    ]
    return Learning(plain, datasets, Dimensions(transform.shape, len(known.classes), len(known.classes)))


def _methods(learning: Learning) -> dict[str, Method]:
    """Everybody who learns from other patients; the ConvNet is the baseline to beat."""
    size, both = learning.size, learning.datasets
    own = [_trained({"name": "own_normal"}, _PERCEPTRON, _TASKS, each, size) for each in both]
    replay = [_trained({"name": "replay", "steps": 150}, _PERCEPTRON, _POOLED, each, size) for each in both]
    convnet = _trained({"name": "replay"}, _CONVNET, _CONVNET_POOLED, by_roots(learning.source), size)
    return {
        "own_normal": _together("Beside the patient's own normal", own),
        "replay": _together("The same network, fine-tuned with replay", replay),
        "pooled": _together("The same network, not adapted", [_changed(one, steps=0) for one in replay]),
        "convnet_replay": Method("ConvNet, fine-tuned with replay", as_predictor(*convnet), convnet),
        "convnet_pooled": Method("ConvNet, not adapted", as_predictor(*_changed(convnet, steps=0))),
    }


def _alone(learning: Learning) -> Method:
    """The network without other patients, tuned on some of them."""
    some = list(tasks(learning.source, max(MINUTES)).values())[::6]
    perceptron = NamedSettings.model_validate(_PERCEPTRON)
    scratch = build_algorithm(NamedSettings(name="scratch"), perceptron, learning.size)
    alone = contender("scratch", scratch, *scratch.init(np.random.default_rng(0)))
    return Method("The same network on the patient alone", tune(alone, some).predictor)


def by_roots(source: PatientSource) -> Feed:
    """Batches of pooled beats, of each class as many, on average, as the root of its number says."""
    rows = np.concatenate([source.rows(patient) for patient in sorted(source.patients())])
    label = source.cases.y[rows]
    weight = np.bincount(label)[label] ** -0.5
    share = weight / weight.sum()
    return lambda rng, size: source.examples(rng.choice(rows, size, p=share))


def _together(title: str, members: Sequence[Ready]) -> Method:
    ready = averaged(members)
    return Method(title, as_predictor(*ready), ready)


def _trained(
    algorithm: dict[str, Any],
    learner: dict[str, Any],
    training: dict[str, Any],
    source: MetaDataset | Feed,
    size: Dimensions,
) -> Ready:
    built = build_algorithm(
        NamedSettings.model_validate(algorithm), NamedSettings.model_validate(learner), size
    )
    settings = TrainingSettings.model_validate(
        training | {"schedule": "one_cycle", "clip": 1.0, "keep": "last"}
    )
    with progress_bar(algorithm["name"], settings.iterations, Console(stderr=True)) as bar:
        feed = feed_for(built, source) if isinstance(source, MetaDataset) else source
        trained = train(built, feed, [], settings, [bar])
    return trained.algorithm, trained.params, trained.state


def _changed(ready: Ready, **settings: Any) -> Ready:
    algorithm, params, state = ready
    return dataclasses.replace(algorithm, **settings), params, state  # type: ignore[type-var]


def tasks(source: PatientSource, minutes: float) -> dict[str, Task]:
    """The first minutes of each patient as support set; the query set is always what comes after five."""
    made = {}
    for patient in sorted(source.patients()):
        longest = source.whole(patient, 60.0 * max(MINUTES))
        early = source.whole(patient, 60.0 * minutes).support
        made[patient] = source.task(PatientEpisode(patient=patient, support=early, query=longest.query))
    return made


def answer(predictor: Predictor, given: Mapping[str, Task]) -> dict[str, NDArray[Any]]:
    """Probabilities of the classes of every query beat of each patient."""
    return {patient: np.asarray(predictor([task])[0]) for patient, task in given.items()}


def write_method(name: str, title: str, counts: Counts) -> None:
    everyone = list(counts.values())
    goals = {"S": 0.85, "V": 0.965} if name.startswith("average") else {}
    for letter, label in CLASSES.items():
        sensitivity, precision, _ = scores(sum(everyone), label)  # type: ignore[arg-type]
        what = f"{title}: {letter} beats, sensitivity {sensitivity:.3f}, precision {precision:.3f}"
        _write(f"f1-{name}-{letter}", what, pooled_f1(everyone, label), target=goals.get(letter))
    goal = 0.5 if name.startswith("average") else None
    rest = pooled_f1(without_dominant(counts), CLASSES["S"])
    _write(
        f"f1-{name}-S-without-{DOMINANT}", f"{title}: S beats without record {DOMINANT}", rest, target=goal
    )
    own = mean_interval(own_f1(counts))
    _write(f"f1-{name}-S-patients", f"{title}: S beats, mean over patients with at least {MANY}", own)


def write_difference(mine: Counts, theirs: Counts, other: str, title: str, own: str = _AVERAGE) -> None:
    what = f"{own} against {title[0].lower() + title[1:]}, paired over patients"
    for letter, label in CLASSES.items():
        gain = pooled_gain(list(mine.values()), list(theirs.values()), label)
        _write(f"gain-{other}-{letter}", f"{what}: {letter} beats", gain, metric="F1, difference")
    gain = pooled_gain(without_dominant(mine), without_dominant(theirs), CLASSES["S"])
    ending = f"S beats without record {DOMINANT}"
    _write(f"gain-{other}-S-without-{DOMINANT}", f"{what}: {ending}", gain, metric="F1, difference")
    each = mean_interval(own_f1(mine) - own_f1(theirs))
    ending = f"S beats, mean over patients with at least {MANY}"
    _write(f"gain-{other}-S-patients", f"{what}: {ending}", each, metric="F1, difference")


def write_minutes(name: str, title: str, minutes: int, counts: Counts) -> None:
    what = f"{title}, {minutes} minutes of the patient's beats"
    for letter, label in CLASSES.items():
        found = pooled_f1(list(counts.values()), label)
        _write(f"minutes{minutes}-{name}-{letter}", f"{what}: {letter} beats", found)
    rest = pooled_f1(without_dominant(counts), CLASSES["S"])
    _write(f"minutes{minutes}-{name}-S-without-{DOMINANT}", f"{what}: S beats without {DOMINANT}", rest)


def write_patient(patient: str, matrices: Mapping[str, NDArray[np.int64]]) -> None:
    """Sensitivity, precision and F1 of S and V in words; the value is the share of beats diagnosed right."""
    parts = []
    for name, matrix in matrices.items():
        for letter, label in CLASSES.items():
            if matrix[label].sum() + matrix[:, label].sum():
                figures = " / ".join("–" if x != x else f"{x:.2f}" for x in scores(matrix, label))
                parts.append(f"{name} {letter} {figures}")
    mine = matrices["average"]
    beats = f"{mine[1].sum()} S and {mine[2].sum()} V of {mine.sum()} beats"
    what = f"Patient {patient}, {beats}; sensitivity / precision / F1: {', '.join(parts) or 'none found'}"
    right = float(np.trace(mine) / mine.sum())
    _write(f"patient-{patient}", what, Interval(right, float("nan"), float("nan"), 1), metric="accuracy")


def _write(id: str, what: str, found: Interval, metric: str = "F1", **rest: Any) -> None:
    row = interval_row(f"mitdb-{id}", f"{what}, {DATA}", metric, found, COMMAND, **rest)
    write_row(RESULTS, row)
    print(row.id, row.value, row.low, row.what if "patient-" in id else "", flush=True)


if __name__ == "__main__":
    main()
