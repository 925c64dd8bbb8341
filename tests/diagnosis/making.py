"""Small models of every algorithm, support sets and query cases."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from metadx.algorithms import ALGORITHMS, MAML, suits
from metadx.cases import Inputs, Transform, fit_table
from metadx.cases.preprocess import Pixels
from metadx.diagnosis import About, Diagnoser, MetaModel, Spec
from metadx.learners import NamedSettings

Kind = Literal["table", "image"]

COLUMNS = ("age", "TSH", "T3")
PICTURE = (1, 8, 8)
OUTPUTS = 4
CONDITIONS = ("flu", "gout", "mumps")
SETTINGS: dict[str, dict[str, Any]] = {
    "meta_logistic": {"hidden": 6, "embedding": 3},
    "fine_tune": {"steps": 5},
    "baseline++": {"steps": 5},
    "proto_maml": {"inner_steps": 2},
    "scratch": {"steps": 5},
    "reptile": {"inner_steps": 2, "eval_steps": 3},
    "boosted_trees": {"trees": 3},
}
FIXED = ("prior_logistic", "own_normal", "pooled", "replay")
"""Algorithms for conditions that are the same in every task."""

FORGETS = (
    "maml",
    "maml++",
    "meta_sgd",
    "anil",
    "boil",
    "cavia",
    "imaml",
    "reptile",
    "protonet",
    "matching_net",
    "mahalanobis",
    "r2d2",
    "lr_d2",
    "gaussian_process",
    "proto_maml",
    "fine_tune",
    "baseline++",
    "linear_probe",
    "logistic_regression",
    "nearest_centroid",
    "scratch",
    "pooled",
)
"""Algorithms that do not need their support cases once they are adapted to them."""

TRANSDUCTIVE = ("transductive_fine_tune",)
"""Algorithms that no diagnoser is made of."""

EVERY = [
    (name, kind)
    for name in ALGORITHMS
    if suits(name, True) and name not in TRANSDUCTIVE
    for kind in ("table", "image")
]


class Given(NamedTuple):
    """Labelled cases of three conditions, and cases to be diagnosed."""

    x: NDArray[Any]
    y: NDArray[Any]
    query: NDArray[Any]


def inputs(kind: Kind) -> Inputs:
    """What a model takes."""
    transform: Transform = Pixels(PICTURE) if kind == "image" else fit_table(rows(60, 7))
    return Inputs(kind, () if kind == "image" else COLUMNS, transform)


def model(name: str, kind: Kind = "table", **settings: Any) -> MetaModel:
    """An untrained model of an algorithm, its parameters moved off their first values."""
    taken = inputs(kind)
    hidden = {"hidden": [6]} if kind == "table" else {"width": 4, "blocks": 2}
    norm = {"norm": settings.pop("norm")} if "norm" in settings else {}
    if name == "own_normal" and kind == "image":
        norm = {"norm": "group"}
    spec = Spec(
        algorithm=NamedSettings(name=name, **SETTINGS.get(name, {}) | settings),
        learner=NamedSettings(name="mlp" if kind == "table" else "convnet", **hidden, **norm),
        input_shape=taken.transform.shape,
        outputs=3 if name in FIXED else OUTPUTS,
        classes=5,
        seed=0,
        conditions=CONDITIONS if name in FIXED else (),
    )
    algorithm = spec.build()
    params, state = algorithm.init(np.random.default_rng(0))
    generator = torch.Generator().manual_seed(1)
    params = {k: v + 0.05 * torch.randn(v.shape, generator=generator) for k, v in params.items()}
    about = About(title="Trial", data="made up", source="here", licence="CC0", conditions={"a|b\nc": 3})
    return MetaModel(algorithm, params, state, taken, spec, about)


def given(kind: Kind = "table", shots: int = 3, seed: int = 0) -> Given:
    """Cases of three conditions that differ."""
    label = np.repeat(["flu", "gout", "mumps"], shots)
    if kind == "image":
        return Given(pictures(3 * shots, seed), label, pictures(6, seed + 1))
    shift = np.repeat([0.0, 1.0, 2.5], shots)[:, None]
    return Given(rows(3 * shots, seed) + shift, label, rows(6, seed + 1) + 1)


def rows(count: int, seed: int) -> NDArray[np.float64]:
    """Rows of measurements, of which every seventh is missing."""
    x = np.random.default_rng(seed).normal(5, 1, (count, len(COLUMNS)))
    x.flat[::7] = np.nan
    return x


def pictures(count: int, seed: int) -> NDArray[np.uint8]:
    """Grey pictures of noise."""
    return np.random.default_rng(seed).integers(0, 256, (count, *PICTURE), dtype=np.uint8)


def diagnoser(name: str = "protonet", kind: Kind = "table", **settings: Any) -> Diagnoser:
    """A diagnoser adapted to `given`."""
    cases = given(kind)
    return Diagnoser(model(name, kind, **settings)).fit(cases.x, cases.y)


def own_network() -> MAML:
    """An algorithm around a network that no recipe knows."""
    torch.manual_seed(3)
    width = inputs("table").transform.shape[0]
    return MAML(nn.Sequential(nn.Linear(width, 5), nn.Tanh(), nn.Linear(5, OUTPUTS)), inner_steps=2)
