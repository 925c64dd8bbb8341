"""Every algorithm there is, as one row each: what the contract suite runs over."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import numpy as np
import torch
from torch import nn

from contracts.examples import TABLE, WAYS, WIDTH, Learner, double
from metadx.algorithms import (
    ANIL,
    BOIL,
    CAVIA,
    IMAML,
    LRD2,
    MAML,
    R2D2,
    Algorithm,
    BaselinePlusPlus,
    BoostedTrees,
    FineTune,
    GaussianProcess,
    GramRidge,
    LinearProbe,
    LogisticRegression,
    LogisticTrees,
    Mahalanobis,
    MAMLPlusPlus,
    MatchingNet,
    MetaCommittee,
    MetaLogistic,
    MetaSGD,
    NearestCentroid,
    ProtoMAML,
    ProtoNet,
    Reptile,
    Scratch,
    TransductiveFineTune,
)
from metadx.learners import Tensors

CLASSES = 6
"""Meta-training conditions that transfer learning pools."""


@dataclass(frozen=True)
class Row:
    """One algorithm with small settings.

    Args:
        name: what test ids call it.
        kind: the class.
        settings: its hyper-parameters.
        network: whether its network gives logits or an embedding, or there is none.
        ablation: settings under which it does not adapt; compared with chance where empty.
        ordered: whether the order of the support cases is part of the algorithm.
    """

    name: str
    kind: Callable[..., Algorithm]
    settings: Mapping[str, Any] = field(default_factory=dict)
    network: Literal["logits", "embedding", "none"] = "logits"
    ablation: Mapping[str, Any] = field(default_factory=dict)
    ordered: bool = False

    def accepts(self, name: str) -> bool:
        """Whether the user can choose this hyper-parameter."""
        return name in {f.name for f in fields(self.kind)}  # type: ignore[arg-type]

    @property
    def transductive(self) -> Mapping[str, Any] | None:
        """Settings with which it sees the query cases; None where it never does."""
        if self.accepts("transductive"):
            return {"transductive": True}
        return {} if self.kind.transductive else None  # type: ignore[attr-defined]

    def on(self, network: nn.Module, **settings: Any) -> Algorithm:
        """The algorithm on a given network."""
        given = {} if self.network == "none" else {"network": network}
        return self.kind(**given, **{**self.settings, **settings})

    def over(self, learner: Learner, activation: str = "tanh", **settings: Any) -> Algorithm:
        """The algorithm on a learner of the size that it needs."""
        if self.accepts("inputs"):
            settings["inputs"] = int(np.prod(learner.shape))
        outputs = WAYS if self.network == "logits" else None
        return self.on(learner(outputs, activation), **settings)


_EXACT_STEPS = {"inner_lr": 0.1, "inner_steps": 2, "multi_step_until": 0, "first_order_until": 0}
_ANNEALED = {"inner_lr": 0.2, "inner_steps": 2, "multi_step_until": 10, "first_order_until": 20}
_POOLED = {"width": WIDTH, "classes": CLASSES}

ROWS = (
    Row("MAML", MAML, {"inner_lr": 0.2, "inner_steps": 2}, ablation={"inner_steps": 0}),
    Row(
        "MAML-first-order",
        MAML,
        {"inner_lr": 0.2, "inner_steps": 2, "first_order": True},
        ablation={"inner_steps": 0},
    ),
    Row("MAML++", MAMLPlusPlus, _EXACT_STEPS, ablation={"inner_steps": 0}),
    Row(
        "MAML++-annealing",
        MAMLPlusPlus,
        {**_ANNEALED, "step_statistics": True},
        ablation={"inner_steps": 0},
    ),
    Row("Meta-SGD", MetaSGD, {"inner_lr": 0.2, "inner_steps": 2}, ablation={"inner_steps": 0}),
    Row("BOIL", BOIL, {"inner_lr": 0.2, "inner_steps": 2}, ablation={"inner_steps": 0}),
    Row(
        "CAVIA",
        CAVIA,
        {"context_params": 100, "inner_lr": 2.0, "inner_steps": 4},
        ablation={"inner_steps": 0},
    ),
    Row(
        "iMAML",
        IMAML,
        {"inner_lr": 0.1, "inner_steps": 8, "penalty": 1.0, "cg_steps": 3},
        ablation={"inner_steps": 0},
    ),
    Row(
        "MAML-recomputing",
        MAML,
        {"inner_lr": 0.2, "inner_steps": 2, "recompute": True},
        ablation={"inner_steps": 0},
    ),
    Row("ANIL", ANIL, {"inner_lr": 0.2, "inner_steps": 2}, ablation={"inner_steps": 0}),
    Row(
        "Reptile",
        Reptile,
        {"inner_lr": 0.01, "inner_steps": 4, "eval_steps": 6, "inner_batch": 4},
        ablation={"eval_steps": 0},
        ordered=True,
    ),
    Row("ProtoNet", ProtoNet, network="embedding"),
    Row("Proto-MAML", ProtoMAML, {"inner_lr": 0.02, "inner_steps": 2}, network="embedding"),
    Row(
        "Proto-MAML-first-order",
        ProtoMAML,
        {"inner_lr": 0.02, "inner_steps": 2, "first_order": True},
        network="embedding",
    ),
    Row("MatchingNet", MatchingNet, network="embedding"),
    Row("Mahalanobis", Mahalanobis, network="embedding"),
    Row("R2-D2", R2D2, network="embedding"),
    Row("LR-D2", LRD2, network="embedding"),
    Row("GaussianProcess", GaussianProcess, network="embedding"),
    Row("LinearProbe", LinearProbe, _POOLED, network="embedding"),
    Row("FineTune", FineTune, {**_POOLED, "steps": 5}, network="embedding", ablation={"steps": 0}),
    Row("Baseline++", BaselinePlusPlus, {**_POOLED, "steps": 5}, network="embedding"),
    Row("TransductiveFineTune", TransductiveFineTune, {**_POOLED, "steps": 3}, network="embedding"),
    Row("Scratch", Scratch, {"steps": 8}, ablation={"steps": 0}),
    Row("LogisticRegression", LogisticRegression, network="none"),
    Row(
        "MetaLogistic",
        MetaLogistic,
        {"inputs": TABLE[0], "hidden": 5, "embedding": 3},
        network="none",
    ),
    Row("GramRidge", GramRidge, network="none"),
    Row("NearestCentroid", NearestCentroid, network="none"),
    Row("BoostedTrees", BoostedTrees, {"trees": 5}, network="none"),
    Row("MetaCommittee", MetaCommittee, {"inputs": TABLE[0], "leaf": 1}, network="none"),
    Row("LogisticTrees", LogisticTrees, {"leaf": 1}, network="none"),
)


def start(algorithm: Algorithm) -> tuple[Tensors, Tensors]:
    """Initial parameters and state in double precision; zero tensors are moved off zero."""
    params, state = algorithm.init(np.random.default_rng(0))
    generator = torch.Generator().manual_seed(2)
    moved = {
        name: t if t.any() else t + 0.1 * torch.randn(t.shape, generator=generator)
        for name, t in params.items()
    }
    return double(moved), double(state)
