"""Multinomial logistic regression in the dual: a fixed number of cheap, differentiable steps on a Gram matrix.

With few cases and many features the dual is the small problem. The softmax Hessian is at most half the identity
(Böhning 1992), so one Cholesky factor of gram / 2 + precision serves every step; Nesterov's momentum makes them
few. There is no branch on data: it runs under `torch.func.vmap` and can be differentiated any number of times.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from metadx.algorithms.shortening import LENGTHS, longest_of_the_best
from metadx.tasks import Examples, present

_CLOSED = -1e4
_JITTER = 1e-12


class DualFit(NamedTuple):
    """Coefficients of a fitted regression.

    Args:
        coefficients: shape (support cases, ways); exactly 0 for padded cases.
        support: the support set it was fitted on.
    """

    coefficients: Tensor
    support: Examples


def fit_dual(gram: Tensor, support: Examples, precision: Tensor | float, steps: int) -> DualFit:
    """Minimises cross-entropy + precision / 2 * the squared norm of the weights.

    Args:
        gram: inner products of the support cases, shape (support cases, support cases).
        precision: of the Gaussian prior of the weights; scikit-learn's 1 / C.
        steps: more steps, more exact: 12 are enough to learn through, 100 to agree with other solvers.

    References:
        Böhning, "Multinomial logistic regression algorithm", 1992. Nesterov, 1983.
    """
    real = support.mask.unsqueeze(-1)
    gram = gram * real * real.mT
    factor = torch.linalg.cholesky(
        gram / 2 + precision * torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    )
    closed = _CLOSED * (1 - present(support))
    now = ahead = torch.zeros_like(support.y)
    for i in range(steps):
        residual = (torch.softmax(gram @ ahead + closed, -1) - support.y) * real
        after = ahead - torch.cholesky_solve(residual + precision * ahead, factor)
        now, ahead = after, after + i / (i + 3) * (after - now)
    return DualFit(now, support)


def fit_towards(gram: Tensor, offset: Tensor, support: Examples, steps: int) -> DualFit:
    """Minimises cross-entropy of `offset` + changes, plus half the squared norm of the changes' weights.

    Unlike in `fit_dual` the outputs are classes that mean the same in every task: one without a support case is as
    possible as the offset says.

    Args:
        gram: inner products of the support cases under the prior's covariance, shape (support cases, support
            cases).
        offset: logits without a change, shape (support cases, outputs).
        steps: as in `fit_dual`.
    """
    real = support.mask.unsqueeze(-1)
    gram = gram * real * real.mT
    factor = torch.linalg.cholesky(gram / 2 + torch.eye(len(gram), dtype=gram.dtype, device=gram.device))
    now = ahead = torch.zeros_like(support.y)
    for i in range(steps):
        residual = (torch.softmax(offset + gram @ ahead, -1) - support.y) * real
        after = ahead - torch.cholesky_solve(residual + ahead, factor)
        now, ahead = after, after + i / (i + 3) * (after - now)
    return DualFit(now, support)


def fit_newton(gram: Tensor, support: Examples, precision: Tensor | float, steps: int = 12) -> DualFit:
    """Minimises the same as `fit_dual`, by Newton steps: dearer each, but exact for weak priors too.

    Of the whole step, a half, a quarter and an eighth of it, the one with the least loss is taken: with many ways
    and a weak prior whole steps can run away.

    Args:
        gram, precision: as for `fit_dual`; use float64.

    References:
        Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, algorithm 3.3.
    """
    real = support.mask.unsqueeze(-1)
    kernel = gram * real * real.mT / precision
    eye = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    closed = _CLOSED * (1 - present(support))
    logits = coefficients = torch.zeros_like(support.y)
    for _ in range(steps):
        p = torch.softmax(logits + closed, -1) * real
        root = p.mT.sqrt().unsqueeze(-1)
        factor = torch.linalg.cholesky(eye + root * kernel * root.mT)
        e = root * torch.cholesky_inverse(factor) * root.mT
        b = p * logits - p * (p * logits).sum(-1, keepdim=True) + support.y * real - p
        c = (e @ (kernel @ b.mT.unsqueeze(-1))).squeeze(-1).mT
        shared = torch.linalg.cholesky(e.sum(0) + (1 - real + _JITTER) * eye)
        common = torch.cholesky_solve(c.sum(-1, keepdim=True), shared)
        ahead = b - c + (e @ common).squeeze(-1).mT
        coefficients, logits = _shortened(coefficients, ahead, logits, kernel @ ahead, support, closed)
    return DualFit(coefficients / precision, support)


def _shortened(
    old: Tensor, new: Tensor, logits: Tensor, ahead: Tensor, support: Examples, closed: Tensor
) -> tuple[Tensor, Tensor]:
    """Of steps of several lengths from old to new coefficients, the best one, and its logits."""
    real = support.mask.unsqueeze(-1)
    length = torch.tensor(LENGTHS, dtype=old.dtype, device=old.device).view(-1, 1, 1)
    tried, at = old + length * (new - old), logits + length * (ahead - logits)
    misfit = torch.logsumexp(at + closed, -1) * support.mask - (at * support.y * real).sum(-1)
    losses = misfit.sum(-1) + (tried * at).sum((-2, -1)) / 2
    chosen = longest_of_the_best(losses).view(-1, 1, 1)
    return (chosen * tried).sum(0), (chosen * at).sum(0)


def predict_dual(fit: DualFit, gram: Tensor) -> Tensor:
    """Logits, shape (cases, ways), from inner products of the cases with the support cases."""
    return (gram * fit.support.mask) @ fit.coefficients
