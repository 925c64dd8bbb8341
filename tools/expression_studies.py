"""Expression studies as tasks, each left out in turn: a method that takes any genes beside logistic regression."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from scipy.special import ndtri
from scipy.stats import rankdata

from metadx.algorithms import Dimensions, as_predictor, build_algorithm
from metadx.cases import EVERY_CASE_ITS_OWN_PATIENT, Cases, entries, find, fit_own_columns, load
from metadx.cases.genomics import find_scale
from metadx.evaluation import evaluate
from metadx.learners import NamedSettings
from metadx.studies.contenders import GRIDS
from metadx.tasks import ConditionEpisode, ConditionSource, MetaDataset, Shape, Task
from metadx.training import TrainingSettings, feed_for, progress_bar, train

SHOTS, WAYS, QUERY, EPISODES, TUNING = 5, 5, 15, 60, 20
TRAINING_GENES = 1000
"""Genes of each study in meta-training, drawn at random: nothing that is learned belongs to a gene."""

_HOW = TrainingSettings(iterations=60, meta_batch=8, lr=0.05, schedule="one_cycle", clip=1.0, keep="last")
_NONE = NamedSettings(name="auto")
Accuracy = NDArray[np.float64]


class Measured(NamedTuple):
    """Balanced accuracies on the episodes of one study left out, before meta-training on the first `TUNING` of
    them; and how the baseline was tuned on the other studies."""

    learned: Accuracy
    untrained: Accuracy
    baseline: Accuracy
    settings: tuple[str, float]


def studies() -> dict[str, Cases]:
    """Every study of the benchmark that is on this machine."""
    words = EVERY_CASE_ITS_OWN_PATIENT
    return {
        name.removeprefix("expression_"): load(name, allow_unverified=True, patients=words)
        for name, data_set in entries().items()
        if data_set.reader == "expression" and find(data_set) is not None
    }


def leave_one_out(every: Mapping[str, Cases], console: Console) -> dict[str, Measured]:
    """Each study in turn, by a method meta-learned on the others and a baseline tuned on the others."""
    tuning = {name: _baseline(cases, TUNING, seed=1) for name, cases in every.items()}
    result = {}
    for held, cases in every.items():
        others = [grid for name, grid in tuning.items() if name != held]
        best = max(others[0], key=lambda key: float(np.mean([grid[key].mean() for grid in others])))
        known = {name: other for name, other in every.items() if name != held}
        learned = _learned(known, console)
        source = _source(cases, cases.x)
        tasks = [source.task(episode) for episode in _episodes(source, EPISODES, 0)]
        made = build_algorithm(NamedSettings(name="gram_ridge"), _NONE, _size(source))
        start = as_predictor(made, *made.init(np.random.default_rng(0)), "loop")
        result[held] = Measured(
            _accuracy(learned, tasks),
            _accuracy(start, tasks[:TUNING]),
            _baseline(cases, EPISODES, 0, best)[best],
            best,
        )
        mine, other = result[held].learned.mean(), result[held].baseline.mean()
        console.print(f"{held}: {mine:.3f}, baseline {other:.3f} {best}", markup=False)
    return result


def _size(source: ConditionSource) -> Dimensions:
    return Dimensions(source.input_shape, WAYS, 0)


def _accuracy(predictor: Any, tasks: Sequence[Task]) -> Accuracy:
    found: Accuracy = evaluate(predictor, tasks).episode["balanced_accuracy"]
    return found


def _learned(known: Mapping[str, Cases], console: Console) -> Any:
    rng = np.random.default_rng(0)
    sources = []
    for cases in known.values():
        genes = np.sort(rng.permutation(cases.x.shape[1])[:TRAINING_GENES])
        sources.append(_source(cases, cases.x[:, genes], TRAINING_GENES))
    algorithm = build_algorithm(NamedSettings(name="gram_ridge"), _NONE, _size(sources[0]))
    dataset = MetaDataset("train", sources, Shape(ways=(2, WAYS), shots=SHOTS, query=5))
    with progress_bar("gram_ridge", _HOW.iterations, console) as bar:
        trained = train(algorithm, feed_for(algorithm, dataset), [], _HOW, [bar])
    return as_predictor(trained.algorithm, trained.params, trained.state, "loop")


def _source(cases: Cases, x: NDArray[Any], width: int | None = None) -> ConditionSource:
    """Conditions of a study, called after it, as they are or on another scale."""
    other = dataclasses.replace(cases, x=x, features=())
    return ConditionSource(other, fit_own_columns(x, width), cases.provenance.source)


def _episodes(source: ConditionSource, number: int, seed: int) -> list[ConditionEpisode]:
    """Episodes of up to five of the conditions that can give five shots and more; the same on every scale."""
    shape = Shape(ways=min(WAYS, len(source.eligible(SHOTS))), shots=SHOTS, query=QUERY)
    rng = np.random.default_rng(seed)
    return [source.draw(rng, shape) for _ in range(number)]


def _baseline(
    cases: Cases, number: int, seed: int, only: tuple[str, float] | None = None
) -> dict[tuple[str, float], Accuracy]:
    """Logistic regression on every scale, with every penalty."""
    found = {}
    for scale, x in _scales(cases.x).items():
        if only is not None and scale != only[0]:
            continue
        source = _source(cases, x)
        tasks = [source.task(episode) for episode in _episodes(source, number, seed)]
        made = build_algorithm(NamedSettings(name="logistic_regression"), _NONE, _size(source))
        for settings in GRIDS["logistic_regression"]:
            if only is None or settings["c"] == only[1]:
                predictor = as_predictor(dataclasses.replace(made, **settings), {}, {}, "vmap")  # type: ignore
                found[scale, settings["c"]] = _accuracy(predictor, tasks)
    return found


def _scales(x: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """Values as published; their logarithms, where they look as if they were none; and ranks as normal scores."""
    logged = x
    if find_scale(x)[0] == "not logged":
        logged = np.log(np.maximum(x, max(float(np.quantile(x[x > 0], 0.01)), 1e-6)))
    ranks = ndtri((rankdata(x, axis=1) - 0.5) / x.shape[1])
    return {"as published": x, "logarithms where none yet": logged, "ranks": ranks}
