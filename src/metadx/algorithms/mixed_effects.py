"""A linear mixed-effects model of a course over time, whose prior is meta-learned of other patients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, final

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor

from metadx.algorithms.algorithm import Algorithm, Metrics, Update
from metadx.algorithms.checks import at_least, positive
from metadx.algorithms.losses import SQUARED_ERROR, Loss
from metadx.algorithms.ridge import towards
from metadx.errors import UserError
from metadx.learners import Reference, Tensors
from metadx.tasks import Examples

_MEAN, _FACTOR, _DIAGONAL = "prior.mean", "prior.factor", "prior.log_diagonal"
_NOISE, _KNOTS = "log_noise", "knots"


class Course(NamedTuple):
    """A patient's own course.

    Args:
        weights: of the functions of time, shape (functions, outputs).
        precision: of the weights, in units of the noise, shape (functions, functions).
    """

    weights: Tensor
    precision: Tensor


@final
@dataclass(frozen=True, eq=False)
class MixedEffects(Algorithm):
    """Every patient's values follow a broken line in time, drawn from a distribution that was meta-learned.

    The functions of time F are 1, t and a hinge max(t - k, 0) at each knot k. A patient's weights are Gaussian,
    with a mean W0 and a precision P (in units of the noise variance) that are meta-learned with the knots; given
    the support cases they are W0 + (F^T F + P)^-1 F^T (Y - F W0). So one visit moves the level, several the slope,
    and how far a slope is believed, for how long, and what it tells of later ones is known from other patients.
    Meta-training maximises the likelihood of the query cases, each given the support set.

    Args:
        inputs: numbers in one case.
        outputs: values to predict.
        time: which of the inputs is the time of the case, from 0; the others are not looked at.
        knots: where the line may break; they begin at the quantiles of a standard normal.
        precision: of the prior before meta-training, in cases.

    References:
        Laird and Ware, "Random-Effects Models for Longitudinal Data", Biometrics 1982. Harrison, Sharma and Pavone,
        "Meta-Learning Priors for Efficient Online Bayesian Regression" (ALPaCA), WAFR 2018.
    """

    consumes: ClassVar = "tasks"
    tensors: ClassVar = True
    exact_gradient: ClassVar = True
    transductive: ClassVar = False
    loss: ClassVar[Loss] = SQUARED_ERROR

    inputs: int
    outputs: int = 1
    time: int = 0
    knots: int = 5
    precision: float = 0.01

    def __post_init__(self) -> None:
        positive(self, "inputs", "outputs", "precision")
        at_least(0, self, "time", "knots")
        if self.time >= self.inputs:
            raise UserError(
                f"MixedEffects: time must be below {self.inputs}, the inputs of a case, not {self.time}"
            )

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        size = 2 + self.knots
        params = {
            _MEAN: torch.zeros(size, self.outputs),
            _FACTOR: torch.zeros(size, size),
            _DIAGONAL: torch.full((size,), float(np.log(self.precision))),
            _NOISE: torch.zeros(self.outputs),
        }
        if self.knots:
            quantiles = ndtri(np.arange(1, self.knots + 1) / (self.knots + 1))
            params[_KNOTS] = torch.from_numpy(quantiles.astype(np.float32))
        return params, {}

    def adapt(
        self,
        params: Tensors,
        state: Tensors,
        support: Examples,
        *,
        rng: np.random.Generator | None = None,
        step: int = 0,
        train: bool = False,
        query: Reference | None = None,
    ) -> Course:
        features = self._features(params, support.x)
        unit = torch.eye(features.shape[-1], dtype=features.dtype, device=features.device)
        factor = (params[_FACTOR].tril(-1) + unit) * (params[_DIAGONAL] / 2).exp()
        prior = factor @ factor.mT
        rows = features * support.mask.unsqueeze(-1)
        return Course(towards(params[_MEAN], prior, features, support), prior + rows.mT @ rows)

    def predict(self, params: Tensors, state: Tensors, adapted: Course, x: Tensor) -> Tensor:
        return self._features(params, x) @ adapted.weights

    def variance(self, params: Tensors, adapted: Course, x: Tensor) -> Tensor:
        """How far from the prediction values are expected to lie, squared, shape (cases, outputs)."""
        features = self._features(params, x)
        unsure = (features * torch.linalg.solve(adapted.precision, features.mT).mT).sum(-1, keepdim=True)
        variance: Tensor = params[_NOISE].exp() * (1 + unsure)
        return variance

    def _features(self, params: Tensors, x: Tensor) -> Tensor:
        """1, t, and the hinges, shape (cases, functions)."""
        t = x.flatten(1)[:, self.time : self.time + 1]
        hinges = [torch.relu(t - params[_KNOTS])] if self.knots else []
        return torch.cat([torch.ones_like(t), t, *hinges], dim=-1)

    def update(
        self,
        params: Tensors,
        state: Tensors,
        item: Any,
        *,
        rng: np.random.Generator | None = None,
        step: int = 0,
    ) -> Update:
        def objective(params: Tensors) -> tuple[Tensor, Metrics]:
            adapted = self.adapt(params, state, item.support, train=True)
            output = self.predict(params, state, adapted, item.query.x)
            variance = self.variance(params, adapted, item.query.x)
            each = ((output - item.query.y).square() / variance + variance.log()).mean(-1) / 2
            loss = (each * item.query.mask).sum(-1) / item.query.mask.sum(-1).clamp(min=1)
            return loss, {"loss": loss.detach(), "score": self.loss.score(output.detach(), item.query)}

        direction, metrics = torch.func.grad(objective, has_aux=True)(params)
        return direction, state, metrics
