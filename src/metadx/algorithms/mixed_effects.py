"""A linear mixed-effects model: every patient has weights of their own, drawn from what was learned of others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple, final

import numpy as np
import torch
from scipy.special import ndtri
from torch import Tensor

from metadx.algorithms.algorithm import Algorithm, Update
from metadx.algorithms.checks import at_least, positive
from metadx.algorithms.context import EVALUATING, Context
from metadx.algorithms.losses import SQUARED_ERROR, Loss
from metadx.algorithms.ridge import carrying, with_intercept
from metadx.errors import UserError
from metadx.learners import Tensors
from metadx.tasks import Examples, Task

_MEAN, _COVARIANCE, _NOISE = "mean", "covariance", "noise"
_LEAST = 1e-7


class Effects(NamedTuple):
    """A patient's own weights.

    Args:
        weights: shape (functions, outputs).
        covariance: how uncertain they are, shape (functions, functions), double.
    """

    weights: Tensor
    covariance: Tensor


@final
@dataclass(frozen=True, eq=False)
class MixedEffects(Algorithm):
    """Linear regression with Gaussian weights for every patient, whose distribution is meta-learned by EM.

    With functions F of the support cases, targets Y, and weights of mean m, covariance S and noise variance v, a
    patient's weights are m + S F^T (F S F^T + v I)^-1 (Y - F m): without support cases everybody's, with many the
    patient's own. `update` points from m, S and v to what one EM step on the task makes of them, so steps of
    plain gradient descent ("sgd") of at most 1 are EM on batches of patients.

    The functions are 1 and every input; or, where `time` says which input is the time, 1, the time and hinges
    max(time - k, 0) at knots k: a course that is a broken line. How long a slope lasts, and what an early one tells
    of a later one, is then known from other patients.

    Args:
        inputs: numbers in one case.
        outputs: values to predict.
        time: which of the inputs is the time of the case, from 0; None for all of them.
        knots: where a course in time may break: the quantiles of a standard normal.
        carry: before meta-training the mean carries the last input forward, for forecasts; else it predicts 0.

    References:
        Laird and Ware, "Random-Effects Models for Longitudinal Data", Biometrics 1982. Cappé and Moulines, "On-line
        expectation-maximization algorithm for latent data models", J. R. Stat. Soc. B 2009.
    """

    consumes: ClassVar = "tasks"
    tensors: ClassVar = True
    exact_gradient: ClassVar = False
    transductive: ClassVar = False
    loss: ClassVar[Loss] = SQUARED_ERROR

    inputs: int
    outputs: int = 1
    time: int | None = None
    knots: int = 5
    carry: bool = False

    def __post_init__(self) -> None:
        positive(self, "inputs", "outputs")
        at_least(0, self, "knots")
        if self.time is not None and not 0 <= self.time < self.inputs:
            raise UserError(
                f"MixedEffects: time must be one of the {self.inputs} inputs, from 0, not {self.time}"
            )
        if self.time is not None and self.carry:
            raise UserError(
                "MixedEffects: carry is of the last input, and time leaves only the time. Give one."
            )

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        size = 1 + self.inputs if self.time is None else 2 + self.knots
        mean = torch.zeros(size, self.outputs)
        if self.carry:
            mean = carrying(mean, self.inputs, self.outputs, size)
        return {_MEAN: mean, _COVARIANCE: torch.eye(size), _NOISE: torch.full((self.outputs,), 0.1)}, {}

    def adapt(
        self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING
    ) -> Effects:
        mean, prior, noise = params[_MEAN].double(), _positive(params[_COVARIANCE]), _variance(params).mean()
        rows = self._functions(support.x) * support.mask.unsqueeze(-1)
        missing = support.y.double() * support.mask.unsqueeze(-1) - rows @ mean
        gained = (
            torch.eye(len(prior), dtype=prior.dtype, device=prior.device) + prior @ rows.mT @ rows / noise
        )
        covariance = torch.linalg.solve(gained, prior)
        covariance = (covariance + covariance.mT) / 2
        weights = mean + covariance @ rows.mT @ missing / noise
        return Effects(weights.to(support.x.dtype), covariance)

    def predict(self, params: Tensors, state: Tensors, adapted: Effects, x: Tensor) -> Tensor:
        return (self._functions(x) @ adapted.weights.double()).to(x.dtype)

    def variance(self, params: Tensors, adapted: Effects, x: Tensor) -> Tensor:
        """How far from the prediction values are expected to lie, squared, shape (cases, outputs)."""
        functions = self._functions(x)
        unsure = (functions @ adapted.covariance * functions).sum(-1, keepdim=True)
        return (_variance(params) + unsure).to(x.dtype)

    def update(self, params: Tensors, state: Tensors, item: Task, context: Context = EVALUATING) -> Update:
        shown = self.predict(params, state, self.adapt(params, state, item.support), item.query.x)
        metrics = {"loss": self.loss.value(shown, item.query), "score": self.loss.score(shown, item.query)}
        every = Examples(*(torch.cat(pair) for pair in zip(*item, strict=True)))
        found = self.adapt(params, state, every)
        away = found.weights.double() - params[_MEAN].double()
        functions, real = self._functions(every.x), every.mask.unsqueeze(-1)
        left = (every.y - self.predict(params, state, found, every.x)).square()
        unsure = (functions @ found.covariance * functions).sum(-1, keepdim=True)
        expected = {
            _MEAN: found.weights,
            _COVARIANCE: found.covariance + away @ away.mT / self.outputs,
            _NOISE: ((left + unsure) * real).sum(0) / real.sum().clamp(min=1),
        }
        return (
            {name: value - expected[name].to(value.dtype) for name, value in params.items()},
            state,
            metrics,
        )

    def _functions(self, x: Tensor) -> Tensor:
        """What the weights are of, shape (cases, functions), double."""
        if self.time is None:
            return with_intercept(x.double())
        time = x.double().flatten(1)[:, self.time : self.time + 1]
        at = torch.from_numpy(ndtri(np.arange(1, self.knots + 1) / (self.knots + 1)))
        return with_intercept(time, torch.relu(time - at.to(x.device)))


def _variance(params: Tensors) -> Tensor:
    return params[_NOISE].double().clamp(min=_LEAST)


def _positive(matrix: Tensor) -> Tensor:
    """The nearest covariance, should steps of another optimiser have left them."""
    values, vectors = torch.linalg.eigh((matrix + matrix.mT).double() / 2)
    covariance: Tensor = vectors * values.clamp(min=_LEAST) @ vectors.mT
    return covariance
