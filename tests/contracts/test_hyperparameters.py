"""What cannot work is refused at the door, by name and value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from contracts.algorithms import CLASSES, ROWS, Row, start
from contracts.examples import PLAIN, WIDTH, draw_task
from metadx.algorithms import (
    ANIL,
    BOIL,
    CAVIA,
    IMAML,
    MAML,
    BaselinePlusPlus,
    BoostedTrees,
    Context,
    Engine,
    FineTune,
    GaussianProcess,
    LinearProbe,
    LogisticRegression,
    Mahalanobis,
    MAMLPlusPlus,
    MatchingNet,
    MetaSGD,
    NearestCentroid,
    ProtoMAML,
    Reptile,
    Scratch,
    TransductiveFineTune,
    solve,
)
from metadx.errors import UserError

NETWORK = {"network": nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))}
POOLED = {"width": WIDTH, "classes": CLASSES}
BAD = [
    (MAML, NETWORK, "inner_lr", 0.0),
    (MAML, NETWORK, "inner_lr", float("nan")),
    (MAML, NETWORK, "inner_steps", -1),
    (MAML, NETWORK, "eval_steps", -2),
    (ANIL, NETWORK, "inner_lr", -0.1),
    (ANIL, NETWORK, "inner_steps", -1),
    (ANIL, NETWORK, "head", "nowhere."),
    (BOIL, NETWORK, "inner_lr", 0.0),
    (BOIL, NETWORK, "head", "nowhere."),
    (BOIL, NETWORK, "head", "w"),
    (MetaSGD, NETWORK, "inner_lr", 0.0),
    (MetaSGD, NETWORK, "inner_steps", -1),
    (MAMLPlusPlus, NETWORK, "inner_lr", -0.5),
    (MAMLPlusPlus, NETWORK, "inner_steps", -1),
    (MAMLPlusPlus, NETWORK, "multi_step_until", -1),
    (MAMLPlusPlus, NETWORK, "first_order_until", -3),
    (CAVIA, NETWORK, "inner_lr", 0.0),
    (CAVIA, NETWORK, "context_params", 0),
    (IMAML, NETWORK, "inner_lr", 0.0),
    (IMAML, NETWORK, "penalty", 0.0),
    (IMAML, NETWORK, "cg_steps", 0),
    (IMAML, NETWORK, "damping", -1.0),
    (Reptile, NETWORK, "inner_lr", 0.0),
    (Reptile, NETWORK, "inner_batch", 0),
    (Reptile, NETWORK, "eval_steps", -1),
    (MatchingNet, NETWORK, "sharpness", 0.0),
    (Mahalanobis, NETWORK, "identity", -1.0),
    (ProtoMAML, NETWORK, "inner_lr", 0.0),
    (ProtoMAML, NETWORK, "inner_steps", -1),
    (GaussianProcess, NETWORK, "steps", 0),
    (BaselinePlusPlus, NETWORK | POOLED, "scale", 0.0),
    (BaselinePlusPlus, NETWORK | POOLED, "steps", -1),
    (TransductiveFineTune, NETWORK | POOLED, "lr", 0.0),
    (TransductiveFineTune, NETWORK | POOLED, "entropy", -0.5),
    (LinearProbe, NETWORK | POOLED, "c", 0.0),
    (LinearProbe, NETWORK | POOLED, "width", 0),
    (FineTune, NETWORK | POOLED, "lr", -1.0),
    (FineTune, NETWORK | POOLED, "classes", 0),
    (FineTune, NETWORK | POOLED, "steps", -1),
    (Scratch, NETWORK, "lr", 0.0),
    (Scratch, NETWORK, "steps", -5),
    (LogisticRegression, {}, "c", -1.0),
    (NearestCentroid, {}, "sharpness", 0.0),
    (BoostedTrees, {}, "trees", 0),
    (BoostedTrees, {}, "leaf", 0),
]


@pytest.mark.parametrize(("kind", "good", "field", "value"), BAD)
def test_a_bad_value_is_refused_by_class_field_and_value(
    kind: Callable[..., Any], good: Mapping[str, Any], field: str, value: Any
) -> None:
    with pytest.raises(UserError) as caught:
        kind(**{**good, field: value})
    for part in (kind.__name__, field, str(value)):
        assert part in str(caught.value)


@pytest.mark.parametrize("row", [row for row in ROWS if row.network == "logits"], ids=lambda row: row.name)
def test_a_task_of_more_ways_than_outputs_is_refused(row: Row, rng: np.random.Generator) -> None:
    algorithm = row.on(PLAIN(3))
    with pytest.raises(UserError, match="3 outputs but the task has 5 ways"):
        solve(algorithm, *start(algorithm), draw_task(rng, PLAIN.shape, ways=5))


def test_anil_refuses_a_frozen_head() -> None:
    network = PLAIN(3)
    network.head.requires_grad_(False)
    with pytest.raises(UserError, match="ANIL: head"):
        ANIL(network)


def test_anil_adapts_the_head_it_is_told_to(rng: np.random.Generator) -> None:
    algorithm = ANIL(PLAIN(3), head="features.2")
    params, state = start(algorithm)
    adapted = algorithm.adapt(params, state, draw_task(rng, PLAIN.shape).support, Context(train=True))
    moved = {name for name in params if not torch.equal(params[name], adapted.tensors[name])}
    assert moved == {"features.2.weight", "features.2.bias"}


def test_what_is_not_made_of_tensors_is_refused_under_vmap() -> None:
    assert Engine(BoostedTrees(), "loop").way == "loop"
    with pytest.raises(UserError, match="BoostedTrees cannot run under vmap"):
        Engine(BoostedTrees(), "vmap")
