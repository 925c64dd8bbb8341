"""Meta-training on top of a frozen ImageNet network, each picture set held out in turn."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from held_out import RECIPES, RESULTS, heads, scored, write
from metadx.cases import Cases, Transform
from metadx.evaluation import difference
from metadx.learners import BACKBONES
from metadx.learners.efficientnet import CHANNELS
from metadx.studies import Outcome, Plan, Problem, build_problem, draw_exam, read_recipe, recommend
from metadx.studies.problem import transform_of
from metadx.studies.recipe import DataSettings, SetsSettings
from metadx.studies.results import Row, write_row
from metadx.tasks import ConditionSource, MetaDataset, MetaSplits

TESTS = ("herlev", "chula", "aml", "ham10000", "nct_crc", "pneumoniamnist")
EVERY = ("herlev", "chula", "nct_crc", "lc25000", "ham10000", "osteosarcoma", "malaria")
SHOTS = {"pneumoniamnist": (1, 5, 20)}
SIDES = {"herlev": 224}  # the other sets came at 64 pixels or less
MOST = {"chula": 100, "pneumoniamnist": 400}  # of each condition, so that embedding takes minutes


@dataclass(frozen=True)
class LastLayer:
    """Of the features of all stages, the means of the last one: the baseline's features, through the same views."""

    pictures: tuple[int, ...]
    shape = (2 * CHANNELS[-1],)

    def __call__(self, x: NDArray[Any]) -> NDArray[np.float32]:
        features = BACKBONES["efficientnet-lite0-stages"](self.pictures)(x)
        small, large = np.split(features, 2, 1)
        last = slice(sum(CHANNELS[:-1]), sum(CHANNELS))
        means = np.concatenate([small[:, last], large[:, last]], 1)
        return means / np.sqrt(np.square(means).mean(1, keepdims=True))


def _reading(**how: object) -> Callable[[Sequence[Cases]], Transform]:
    """What a recipe's data settings make of the training sets."""
    data = DataSettings.model_validate({"name": "herlev", **how})
    return lambda train: transform_of(train[0], data, train)


ON: dict[str, tuple[str, Callable[[Sequence[Cases]], Transform]]] = {
    "backbone": ("a frozen ImageNet network", _reading(backbone="efficientnet-lite0")),
    "views": ("a frozen ImageNet network, all views", lambda train: LastLayer(train[0].x.shape[1:])),
    "stages": ("all stages of it, all views", _reading(backbone="efficientnet-lite0-stages", whiten=0.0)),
    "whitened": (
        "all stages of it, all views, whitened within conditions of other sets",
        _reading(backbone="efficientnet-lite0-stages", whiten=0.3),
    ),
}


def backbone(tests: Sequence[str] = TESTS, job: str = "backbone") -> None:
    """Every method on a frozen network, with and without meta-training, each set held out in turn."""
    began = time.process_time()
    for test in tests:
        pictures, plan = _held_out(test)
        outcomes = []
        for name, (on, fitted) in ON.items():
            outcomes += heads(draw_exam(_embedded(pictures, fitted), plan), name, on)
        for k in plan.shots:
            for outcome in outcomes:
                scored(f"backbone-{test}", outcome, k, plan, job)
            _gains(test, outcomes, k, plan, job)
    row = Row(
        id="backbone-seconds" if len(tests) > 1 else f"backbone-{tests[0]}-seconds",
        what=f"everything on a frozen network, {', '.join(tests)} held out: embedding, meta-training and scoring",
        metric="core-seconds",
        value=time.process_time() - began,
        n=1,
        target=2400,
        better="lower",
        command=f"python tools/measure_images.py {job}",
    )
    write_row(RESULTS, row)


def pixels(tests: Sequence[str], job: str) -> None:
    """The same episodes without a network: what their pixels alone give."""
    for test in tests:
        problem, plan = _held_out(test)
        for outcome in heads(draw_exam(problem, plan), "pixels", "pixels"):
            for k in plan.shots:
                scored(f"backbone-{test}", outcome, k, plan, job)


def _held_out(test: str) -> tuple[Problem, Plan]:
    """The pictures with a set held out, and how it is tested."""
    validation = "nct_crc" if test == "aml" else "aml"
    train = tuple(name for name in EVERY if name not in (test, validation))
    sets = SetsSettings(train=train, validation=(validation,), test=(test,))
    ways = 2 if test == "pneumoniamnist" else 5
    return _pixels(sets, SIDES.get(test, 64)), Plan(SHOTS.get(test, (1, 5)), ways, 10, 300, 50, 1)


def _pixels(sets: SetsSettings, side: int) -> Problem:
    """The problem on pictures of so many pixels a side, large sets thinned."""
    recipe = read_recipe(RECIPES / "herlev.yaml")
    data = recipe.data.model_copy(update={"sets": sets, "size": side, "augment": ()})
    problem = build_problem(recipe.model_copy(update={"data": data}))

    def thin(dataset: MetaDataset) -> MetaDataset:
        thinned = [
            ConditionSource(_thin(s.cases, MOST.get(s.name.split("/")[0])), s.transform, s.name)
            for s in dataset.sources()
            if isinstance(s, ConditionSource)
        ]
        weights = [len(s.cases.classes) for s in thinned]
        return MetaDataset(dataset.split, thinned, dataset.shape, weights=weights)

    s = problem.splits
    return dataclasses.replace(problem, splits=MetaSplits(thin(s.train), thin(s.validation), thin(s.test)))


def _thin(cases: Cases, most: int | None) -> Cases:
    if most is None:
        return cases
    rng = np.random.default_rng(0)
    kept = [rng.permutation(np.flatnonzero(cases.y == y))[:most] for y in range(len(cases.classes))]
    mask = np.zeros(len(cases), dtype=bool)
    mask[np.concatenate(kept)] = True
    return cases.select(mask)


def _embedded(pixels: Problem, fitted: Callable[[Sequence[Cases]], Transform]) -> Problem:
    """The problem with what a backbone makes of its pictures; the same episodes."""
    train = [s.cases for s in pixels.splits.train.sources() if isinstance(s, ConditionSource)]
    transform = fitted(train)

    def side(dataset: MetaDataset) -> MetaDataset:
        sources = [
            ConditionSource(s.cases, transform, s.name)
            for s in dataset.sources()
            if isinstance(s, ConditionSource)
        ]
        return MetaDataset(dataset.split, sources, dataset.shape)

    s = pixels.splits
    return dataclasses.replace(pixels, splits=MetaSplits(s.train, side(s.validation), side(s.test)))


def _gains(test: str, outcomes: Sequence[Outcome], shots: int, plan: Plan, job: str) -> None:
    """The whitened method that meta-validation chose, against the frozen network and against no whitening."""
    by_name = {outcome.name: outcome for outcome in outcomes}
    learned = [name for name in by_name if name.startswith("whitened")]
    chosen = recommend({k: {n: by_name[n].validation[k] for n in learned} for k in plan.shots})[shots]
    rivals = {
        "over-prototypes": ("backbone-prototypes", {1: 3.0, 5: 4.0}.get(shots) if test == "herlev" else 0.0),
        "over-views": ("views-prototypes", None),
        "over-logistic": ("backbone-logistic", None),
        "over-features": (chosen.replace("whitened", "stages"), None),
    }
    for name, (rival, target) in rivals.items():
        write(
            f"backbone-{test}-gain-{name}-{shots:02d}shot",
            f"{test}, {plan.ways}-way {shots}-shot, {by_name[chosen].title} (chosen on validation) against "
            f"{by_name[rival].title}, paired",
            "gain, points",
            difference(by_name[chosen].test[shots], by_name[rival].test[shots], "accuracy"),
            job,
            target,
        )
