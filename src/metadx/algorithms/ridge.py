"""Ridge regression on each task's support set alone, and the closed form it shares with others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from metadx.algorithms.algorithm import Algorithm, Update, nothing_to_learn
from metadx.algorithms.checks import positive
from metadx.algorithms.context import EVALUATING, Context
from metadx.algorithms.losses import SQUARED_ERROR, Loss
from metadx.learners import Tensors
from metadx.tasks import Examples


class Linear(NamedTuple):
    """Weights of the features, shape (features, outputs), the first one the intercept's."""

    weights: Tensor


def towards(prior: Tensor, precision: Tensor, features: Tensor, support: Examples) -> Tensor:
    """The weights that minimise the squared error of the support set plus the distance to a prior.

    W0 + (F^T F + P)^-1 F^T (Y - F W0): the prior's without support cases, their own with many.

    Args:
        prior: W0, shape (features, outputs).
        precision: P, positive definite, shape (features, features).
        features: F of the support cases, shape (cases, features).
        support: targets and mask.
    """
    weight = support.mask.unsqueeze(-1)
    rows = features * weight
    missing = rows.mT @ (support.y * weight - rows @ prior)
    weights: Tensor = prior + torch.linalg.solve(rows.mT @ rows + precision, missing)
    return weights


def smaller_ridge(features: Tensor, support: Examples, penalty: Tensor) -> Tensor:
    """The weights that minimise the squared error of the support set plus `penalty` times their squared norm.

    Of the system in the features and that in the cases (Woodbury's identity) it solves the smaller one.

    Args:
        features: of the support cases, shape (cases, features).
        support: targets and mask.
        penalty: above 0, one number.
    """
    weight = support.mask.unsqueeze(-1)
    rows, y = features * weight, support.y * weight
    fewer_cases = len(rows) < rows.shape[-1]
    gram = rows @ rows.mT if fewer_cases else rows.mT @ rows
    system = gram + penalty * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    factor = torch.linalg.cholesky(system)
    weights = (
        rows.mT @ torch.cholesky_solve(y, factor)
        if fewer_cases
        else torch.cholesky_solve(rows.mT @ y, factor)
    )
    return (
        weights.contiguous()
    )  # as a file gives them back, so that a bundle predicts the same to the last bit


def with_intercept(*columns: Tensor) -> Tensor:
    """A column of ones and the flattened columns, shape (cases, features)."""
    flat = [part.flatten(1) for part in columns]
    return torch.cat([flat[0].new_ones(len(flat[0]), 1), *flat], dim=-1)


def carrying(like: Tensor, inputs: int, outputs: int, features: int) -> Tensor:
    """Weights that carry the last of the inputs forward, shape (features, outputs)."""
    weights = like.new_zeros(features, outputs)
    weights[inputs] = 1.0
    return weights


@final
@dataclass(frozen=True, eq=False)
class Ridge(Algorithm):
    """Linear regression with an L2 penalty on each task's support set alone; nothing is meta-learned.

    Args:
        penalty: on the squared weights, in cases; the intercept has a thousandth of it.
        carry: penalise the difference from carrying the last input forward, for forecasts; else from 0.
    """

    consumes: ClassVar = "nothing"
    tensors: ClassVar = True
    exact_gradient: ClassVar = False
    transductive: ClassVar = False
    loss: ClassVar[Loss] = SQUARED_ERROR

    penalty: float = 1.0
    carry: bool = False

    def __post_init__(self) -> None:
        positive(self, "penalty")

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        return {}, {}

    def adapt(
        self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING
    ) -> Linear:
        features = with_intercept(support.x)
        width, outputs = features.shape[-1], support.y.shape[-1]
        penalty = features.new_full((width,), self.penalty)
        penalty[0] /= 1000
        prior = features.new_zeros(width, outputs)
        if self.carry:
            prior = carrying(features, width - 1, outputs, width)
        return Linear(towards(prior, torch.diag(penalty), features, support))

    def predict(self, params: Tensors, state: Tensors, adapted: Linear, x: Tensor) -> Tensor:
        return with_intercept(x) @ adapted.weights

    def update(self, params: Tensors, state: Tensors, item: Any, context: Context = EVALUATING) -> Update:
        return nothing_to_learn(state)
