"""Logistic regression on the inputs: the simple thing that everything else has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from metadx.algorithms.algorithm import Algorithm, Update, nothing_to_learn
from metadx.algorithms.checks import positive
from metadx.algorithms.context import EVALUATING, Context
from metadx.algorithms.dual import DualFit, fit_newton, predict_dual
from metadx.algorithms.losses import CROSS_ENTROPY, Loss
from metadx.algorithms.primal import fit_primal, primal_is_smaller
from metadx.learners import Tensors
from metadx.tasks import Examples, present


class Regression(NamedTuple):
    """A logistic regression on features that were centred and scaled by the support set.

    Args:
        dual: the fitted coefficients.
        rows: scaled support features, shape (cases, features); unit vectors where the weights were fitted.
        mean: of the support features, shape (features,).
        scale: their overall deviation, one number.
    """

    dual: DualFit
    rows: Tensor
    mean: Tensor
    scale: Tensor


def fit_logistic(features: Tensor, support: Examples, c: float) -> Regression:
    """L2-penalised multinomial logistic regression; the intercept has the same penalty as one feature.

    One number scales all features: with a handful of cases, a deviation per feature is mostly noise.

    Args:
        features: of the support cases, shape (cases, ...).
        c: inverse strength of the penalty, as in scikit-learn.
    """
    double = Examples(support.x, support.y.double(), support.mask.double())
    flat = features.double().flatten(1)
    weight = double.mask.unsqueeze(-1)
    count = double.mask.sum()
    mean = (flat * weight).sum(0) / count
    scale = (((flat - mean).square() * weight).sum() / (count * flat.shape[-1]) + 1e-12).sqrt()
    rows = (flat - mean) / scale * weight
    if primal_is_smaller(len(rows), rows.shape[-1], double.y.shape[-1]):
        ones = double.mask.unsqueeze(-1)
        return Regression(
            *_of_weights(fit_primal(torch.cat([rows, ones], -1), double, 1 / c), double), mean, scale
        )
    return Regression(fit_newton(rows @ rows.mT + 1, double, 1 / c), rows, mean, scale)


def _of_weights(weights: Tensor, support: Examples) -> tuple[DualFit, Tensor]:
    """Weights, the intercept's last, as a regression on unit vectors and a zero."""
    width = len(weights) - 1
    coefficients = torch.cat([weights[:-1], weights[-1:] - weights[:-1].sum(0)])
    ways = present(support)[None].expand(width + 1, -1)
    shown = Examples(weights.new_zeros((width + 1, 0)), ways.clone(), weights.new_ones(width + 1))
    return DualFit(coefficients, shown), torch.eye(
        width + 1, width, dtype=weights.dtype, device=weights.device
    )


def predict_logistic(model: Regression, features: Tensor) -> Tensor:
    """Logits, shape (cases, ways)."""
    rows = (features.double().flatten(1) - model.mean) / model.scale
    return predict_dual(model.dual, rows @ model.rows.mT + 1).to(features.dtype)


@final
@dataclass(frozen=True, eq=False)
class LogisticRegression(Algorithm):
    """Multinomial logistic regression on each task's support set alone; nothing is meta-learned.

    Args:
        c: inverse strength of the L2 penalty.
    """

    consumes: ClassVar = "nothing"
    tensors: ClassVar = True
    exact_gradient: ClassVar = False
    transductive: ClassVar = False
    loss: ClassVar[Loss] = CROSS_ENTROPY

    c: float = 1.0

    def __post_init__(self) -> None:
        positive(self, "c")

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        return {}, {}

    def adapt(
        self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING
    ) -> Regression:
        return fit_logistic(support.x, support, self.c)

    def predict(self, params: Tensors, state: Tensors, adapted: Regression, x: Tensor) -> Tensor:
        return self.loss.restrict(predict_logistic(adapted, x), adapted.dual.support)

    def update(self, params: Tensors, state: Tensors, item: Any, context: Context = EVALUATING) -> Update:
        return nothing_to_learn(state)
