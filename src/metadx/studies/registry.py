"""Learners and algorithms by the names that recipes use."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from metadx.algorithms import (
    ANIL,
    LOSSES,
    MAML,
    Algorithm,
    BoostedTrees,
    FineTune,
    LinearProbe,
    LogisticRegression,
    MetaLogistic,
    NearestCentroid,
    ProtoNet,
    Reptile,
    Scratch,
)
from metadx.errors import UserError
from metadx.learners import MLP, ConvNet, output_width
from metadx.studies.recipe import NamedSettings, nearest

ALGORITHMS: dict[str, type[Algorithm]] = {
    "maml": MAML,
    "anil": ANIL,
    "reptile": Reptile,
    "protonet": ProtoNet,
    "meta_logistic": MetaLogistic,
    "fine_tune": FineTune,
    "linear_probe": LinearProbe,
    "logistic_regression": LogisticRegression,
    "nearest_centroid": NearestCentroid,
    "boosted_trees": BoostedTrees,
    "scratch": Scratch,
}
TITLES = {
    "maml": "MAML",
    "anil": "ANIL",
    "reptile": "Reptile",
    "protonet": "Prototypical network",
    "meta_logistic": "Meta-learned logistic regression",
    "fine_tune": "Transfer: fine-tuning",
    "linear_probe": "Transfer: linear probe",
    "logistic_regression": "Logistic regression",
    "nearest_centroid": "Nearest centroid",
    "boosted_trees": "Gradient-boosted trees",
    "scratch": "Network from scratch",
}
_EMBEDS = ("protonet", "fine_tune", "linear_probe")


@dataclass(frozen=True)
class Dimensions:
    """What a network must fit: the shape of one case, its outputs, and the pooled meta-training conditions."""

    input_shape: tuple[int, ...]
    outputs: int
    classes: int
    classification: bool = True


def build_algorithm(
    algorithm: NamedSettings, learner: NamedSettings, size: Dimensions, seed: int = 0
) -> Algorithm:
    """The algorithm a recipe names, around the learner it names, initialised from `seed`.

    Raises:
        UserError: an unknown name or setting (names the nearest known one), or a value out of range.
    """
    if algorithm.name not in ALGORITHMS:
        raise UserError(f"unknown algorithm '{algorithm.name}'; {nearest(algorithm.name, ALGORITHMS)}")
    kind = ALGORITHMS[algorithm.name]
    takes = {f.name for f in dataclasses.fields(kind)}  # type: ignore[arg-type]
    settings = dict(algorithm.settings)
    given: dict[str, Any] = {}
    if "network" in takes:
        outputs = None if algorithm.name in _EMBEDS else size.outputs
        given["network"] = network = build_learner(learner, size.input_shape, outputs, seed)
        if "width" in takes:
            given |= {"width": output_width(network, size.input_shape), "classes": size.classes}
    if "inputs" in takes:
        given["inputs"] = int(np.prod(size.input_shape))
    if "loss" in takes:
        given["loss"] = LOSSES["cross_entropy" if size.classification else "squared_error"]
    elif not size.classification:
        raise UserError(
            f"{algorithm.name} tells conditions apart and cannot do regression; use maml or reptile"
        )
    _refuse_unknown(f"algorithm.{algorithm.name}", settings, takes - given.keys())
    try:
        return kind(**given, **settings)
    except TypeError as error:
        raise UserError(f"algorithm '{algorithm.name}': {error}") from error


def build_learner(
    learner: NamedSettings, input_shape: tuple[int, ...], outputs: int | None, seed: int = 0
) -> nn.Module:
    """The learner a recipe names; "auto" is an MLP for rows and a ConvNet for images.

    Args:
        outputs: columns of the output; None for the embedding alone.
    """
    name = learner.name
    if name == "auto":
        name = "mlp" if len(input_shape) == 1 else "convnet"
    makers: Mapping[str, Any] = {"mlp": MLP, "convnet": ConvNet}
    if name not in makers:
        raise UserError(f"unknown learner '{name}'; {nearest(name, [*makers, 'auto'])}")
    dimensions = {"mlp": 1, "convnet": 3}[name]
    if len(input_shape) != dimensions:
        raise UserError(
            f"learner '{name}' takes cases of {dimensions} dimensions, not of shape {input_shape}"
        )
    known = list(inspect.signature(makers[name]).parameters)[2:]
    _refuse_unknown(f"learner.{name}", learner.settings, known)
    with torch.random.fork_rng():
        torch.manual_seed(int(np.random.default_rng(seed).integers(2**31)))
        first = input_shape[0] if name == "mlp" else input_shape
        try:
            network: nn.Module = makers[name](first, outputs, **learner.settings)
        except (TypeError, ValueError, KeyError) as error:
            raise UserError(f"learner '{name}': {error}") from error
    return network


def _refuse_unknown(where: str, settings: Mapping[str, Any], known: Any) -> None:
    for key in settings:
        if key not in known:
            raise UserError(f"unknown key '{where}.{key}'; {nearest(key, known)}")
