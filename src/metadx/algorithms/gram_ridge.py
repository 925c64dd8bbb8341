"""Ridge regression over five scales of the inputs, for tasks that need not measure the same things."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from metadx.algorithms.algorithm import Algorithm, Update, query_gradient
from metadx.algorithms.checks import at_least, positive
from metadx.algorithms.context import EVALUATING, Context
from metadx.algorithms.dual import DualFit, fit_newton, predict_dual
from metadx.algorithms.losses import CROSS_ENTROPY, Loss
from metadx.errors import UserError
from metadx.learners import Tensors
from metadx.tasks import Examples, present

SCALES = (
    "as given",
    "logarithms of large values, one unit for all cases",
    "logarithms, one unit for all cases",
    "logarithms of large values, a unit for each case",
    "ranks",
)
"""The scales, in the order of the meta-learned weights; logarithms are inverse hyperbolic sines."""

_INTERCEPT = 10.0
_LEAST = 1e-3


class Known(NamedTuple):
    """What of the support set the scales of other cases depend on.

    Args:
        measured: 1 for columns that are not 0 in every support case, shape (columns,).
        unit: the typical size of a value, one number.
        negative: the share of values below 0, one number: large where values are logarithms or ratios already.
    """

    measured: Tensor
    unit: Tensor
    negative: Tensor


class Scaled(NamedTuple):
    """A ridge regression per scale, and how much each of them counts.

    Args:
        known: of the support set.
        centre: of the columns on each scale, shape (scales, columns).
        length: of a centred support case on each scale, in the mean of squares, shape (scales,).
        rows: centred support cases divided by it, shape (scales, cases, columns).
        coefficients: shape (scales, cases, ways).
        share: of each scale in the sum, shape (scales,).
        temperature: one number.
        support: which says which ways exist.
        plain: logistic regression on the mixture of the scales; plays no part in meta-training.
    """

    known: Known
    centre: Tensor
    length: Tensor
    rows: Tensor
    coefficients: Tensor
    share: Tensor
    temperature: Tensor
    support: Examples
    plain: DualFit | None


@final
@dataclass(frozen=True, eq=False)
class GramRidge(Algorithm):
    """Ridge regression to class indicators on five scales, in proportion to how well each does on the support set.

    Nothing that is meta-learned belongs to a column, so that tasks may have other columns, and another number of
    them, such as studies that measure different genes. All goes through inner products of cases, centred by the
    support set. Scales are mixed by a softmax of a prior and the loss when each support case in turn is left out.
    Units of the logarithms, penalty, prior, trust in the losses and temperature are meta-learned. Log-probabilities
    are averaged with those of logistic regression on the same mixture, which outlying cases harm less. A column
    that is 0 in every support case is left out: padding is such.

    Args:
        penalty: of the regression before meta-training, in units of the mean squared length of the support cases.
        trust: in the losses when left out, before meta-training: the power of their likelihood.
        mix: weight of the logistic regression in the average, 0 to 1.
        c: its inverse penalty, for support cases of a mean squared length of 1.
        strength: multiplies the penalty after meta-training.

    References:
        Bertinetto et al., "Meta-learning with differentiable closed-form solvers" (R2-D2), ICLR 2019; Allen, "The
        Relationship between Variable Selection and Data Augmentation and a Method for Prediction", Technometrics
        1974, for leaving out in closed form.
    """

    consumes: ClassVar = "tasks"
    tensors: ClassVar = True
    exact_gradient: ClassVar = True
    transductive: ClassVar = False
    loss: ClassVar[Loss] = CROSS_ENTROPY

    penalty: float = 0.1
    trust: float = 1.0
    mix: float = 0.5
    c: float = 100.0
    strength: float = 1.0

    def __post_init__(self) -> None:
        positive(self, "penalty", "trust", "strength", "c")
        at_least(0, self, "mix")
        if self.mix > 1:
            raise UserError(f"GramRidge: mix must be between 0 and 1, not {self.mix}")

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        params = {
            "log_units": torch.tensor([0.0, -4.0, 0.0]),
            "log_penalty": torch.tensor([math.log(self.penalty), 0.0]),
            "prior": torch.zeros(len(SCALES)),
            "prior_of_negative": torch.tensor([0.0, 0.0, -4.0, 0.0, 0.0]),
            "log_trust": torch.tensor(math.log(self.trust)),
            "log_temperature": torch.tensor([math.log(5.0), 0.0]),
        }
        return params, {}

    def adapt(
        self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING
    ) -> Scaled:
        x, real = support.x.flatten(1), support.mask
        known = _known(x, real)
        shown = _scales(params, known, x)
        centre = (shown * real.unsqueeze(-1)).sum(1) / real.sum()
        rows = (shown - centre.unsqueeze(1)) * real.unsqueeze(-1)
        ways = present(support)
        shots = real.sum() / ways.sum()
        rows, length = _unit_length(rows, real)
        penalty = self.strength * _power_law(params["log_penalty"], shots)
        temperature = _power_law(params["log_temperature"], shots)
        inverse = _inverse(rows, real, penalty)
        lost = self._left_out(inverse, support, temperature)
        prior = params["prior"] + params["prior_of_negative"] * known.negative
        trust = params["log_trust"].exp() * (1 - 1 / shots)
        share = torch.softmax(prior - trust * lost, 0)
        coefficients = inverse @ _indicators(support)
        plain = None if context.train else self._logistic(rows, share, support)
        return Scaled(known, centre, length, rows, coefficients, share, temperature, support, plain)

    def predict(self, params: Tensors, state: Tensors, adapted: Scaled, x: Tensor) -> Tensor:
        shown = _scales(params, adapted.known, x.flatten(1))
        rows = (shown - adapted.centre.unsqueeze(1)) / adapted.length.view(-1, 1, 1)
        gram = rows @ adapted.rows.mT
        share, support = adapted.share.view(-1, 1, 1), adapted.support
        values = (((gram + _INTERCEPT) * support.mask) @ adapted.coefficients * share).sum(0)
        logits = self.loss.restrict(adapted.temperature * values, support)
        if adapted.plain is None:
            return logits
        mixed = (gram * share).sum(0).double() + _LEAST
        plain = self.loss.restrict(predict_dual(adapted.plain, mixed).to(x.dtype), support)
        average = (1 - self.mix) * torch.log_softmax(logits, -1) + self.mix * torch.log_softmax(plain, -1)
        return self.loss.restrict(average, support)

    def _logistic(self, rows: Tensor, share: Tensor, support: Examples) -> DualFit:
        mixed = ((rows @ rows.mT) * share.view(-1, 1, 1)).sum(0).double() + _LEAST
        double = Examples(support.x, support.y.double(), support.mask.double())
        return fit_newton(mixed, double, 1 / self.c)

    def _left_out(self, inverse: Tensor, support: Examples, temperature: Tensor) -> Tensor:
        """The summed loss on each scale when every support case in turn is left out, shape (scales,)."""
        target = _indicators(support)
        error = (inverse @ target) / inverse.diagonal(dim1=-2, dim2=-1).unsqueeze(-1)
        logits = self.loss.restrict(temperature * (target - error), support)
        loss = -(support.y * torch.log_softmax(logits, -1)).sum(-1) * support.mask
        return loss.sum(-1)

    def update(self, params: Tensors, state: Tensors, item: Any, context: Context = EVALUATING) -> Update:
        return query_gradient(self, params, state, item, context)


def _known(x: Tensor, real: Tensor) -> Known:
    measured = ((x != 0) & (real > 0).unsqueeze(-1)).any(0).to(x.dtype)
    unit = (_size(x, measured) * real).sum() / real.sum()
    below = (x < 0).to(x.dtype) * real.unsqueeze(-1)
    negative = below.sum() / (measured.sum() * real.sum()).clamp(min=1)
    return Known(measured, unit + torch.finfo(x.dtype).tiny, negative)


def _size(x: Tensor, measured: Tensor) -> Tensor:
    """The typical size of each case's values: their absolute median, at least a twentieth of their mean."""
    size = x.abs() * measured
    mean = size.sum(-1) / measured.sum().clamp(min=1)
    return torch.maximum(_median(size, measured), mean / 20) + torch.finfo(x.dtype).tiny


def _median(values: Tensor, measured: Tensor) -> Tensor:
    """The median over the last axis, of columns that are measured."""
    ordered = torch.where(measured > 0, values, torch.inf).sort(-1).values
    middle = ((measured.sum() - 1) / 2).clamp(min=0).long()
    return ordered.gather(-1, middle.expand(*values.shape[:-1], 1)).squeeze(-1).nan_to_num(posinf=0.0)


def _scales(params: Tensors, known: Known, x: Tensor) -> Tensor:
    """The cases on every scale, shape (scales, cases, columns)."""
    large, small, own = params["log_units"].exp()
    given = x / known.unit
    alone = x / _size(x, known.measured).unsqueeze(-1)
    ranks = _normal_scores(x, known.measured)
    shown = (given, torch.asinh(given / large), torch.asinh(given / small), torch.asinh(alone / own), ranks)
    return torch.stack(shown) * known.measured


def _normal_scores(x: Tensor, measured: Tensor) -> Tensor:
    """The normal score of each value's rank among the measured ones of its case; ties share their mean rank."""
    values = torch.where(measured > 0, x, torch.inf)
    ordered = values.sort(-1).values
    rank = (torch.searchsorted(ordered, values) + torch.searchsorted(ordered, values, right=True)) / 2
    share = rank.to(x.dtype) / measured.sum().clamp(min=1)
    scores: Tensor = torch.special.ndtri(torch.where(measured > 0, share, 0.5))
    return scores


def _unit_length(rows: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
    """Rows divided so that support cases have a mean squared length of 1 on every scale, and what they were by."""
    square = rows.square().sum((1, 2)) / real.sum()
    length = (square + torch.finfo(rows.dtype).tiny).sqrt()
    return rows / length.view(-1, 1, 1), length


def _inverse(rows: Tensor, real: Tensor, penalty: Tensor) -> Tensor:
    """The inverse of every scale's Gram matrix with its intercept and penalty, shape (scales, cases, cases)."""
    gram = rows @ rows.mT + _INTERCEPT * real.unsqueeze(-1) * real
    unit = torch.eye(len(real), dtype=rows.dtype, device=rows.device)
    inverse: Tensor = torch.linalg.inv(gram + penalty * unit)
    return inverse


def _indicators(support: Examples) -> Tensor:
    return support.y * support.mask.unsqueeze(-1)


def _power_law(coefficients: Tensor, shots: Tensor) -> Tensor:
    """exp(a) * shots ** b."""
    return torch.exp(coefficients[0] + coefficients[1] * shots.log())
