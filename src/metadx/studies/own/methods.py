"""The methods of a cross-validation, and the settings tried for each."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from metadx.algorithms import TITLES, Algorithm, Dimensions, build_algorithm
from metadx.learners import NamedSettings, Tensors
from metadx.studies.contenders import Contender, Settings

_PENALTIES = (0.001, 0.005, 0.02, 0.1, 0.4, 2.0)
_TREES: tuple[Settings, ...] = (
    {"trees": 15, "lr": 0.3, "leaf": 3},
    {"trees": 50, "lr": 0.1, "leaf": 5},
    {"trees": 50, "lr": 0.1, "leaf": 20},
)

OWN_GRIDS: dict[str, tuple[Settings, ...]] = {
    "logistic_regression": tuple({"c": c} for c in _PENALTIES),
    "nearest_centroid": tuple({"sharpness": s} for s in (0.1, 0.3, 1.0, 3.0, 10.0)),
    "boosted_trees": _TREES,
    "logistic_trees": tuple({"c": c, "weight": w} for c in (0.01, 0.1, 1.0) for w in (0.3, 0.6)),
}
SIMPLEST_FIRST = ("nearest_centroid", "logistic_regression", "boosted_trees", "logistic_trees")
MOST_COLUMNS_FOR_TREES = 400


def methods_for(features: int) -> tuple[str, ...]:
    """The methods for cases of so many features: trees over thousands of columns take too long."""
    return SIMPLEST_FIRST if features <= MOST_COLUMNS_FOR_TREES else SIMPLEST_FIRST[:2]


def own_contender(name: str, features: int, ways: int) -> Contender:
    """A method with the settings to choose from."""
    size = Dimensions((features,), ways, 0)
    built = build_algorithm(NamedSettings(name=name), NamedSettings(name="auto"), size)
    params, state = built.init(np.random.default_rng(0))
    return Contender(name, TITLES[name], built, params, state, OWN_GRIDS[name])


def with_settings(contender: Contender, settings: Settings) -> tuple[Algorithm, Tensors, Tensors]:
    """The algorithm with settings, and its tensors."""
    algorithm: Any = dataclasses.replace(contender.algorithm, **settings)  # type: ignore[type-var]
    return algorithm, contender.params, contender.state
