"""Multinomial logistic regression by its weights: with many cases and few features that is the small problem."""

from __future__ import annotations

import torch
from torch import Tensor

from metadx.algorithms.shortening import LENGTHS, longest_of_the_best
from metadx.tasks import Examples, present

_CLOSED = -1e4
_LARGEST_SYSTEM = 4000


def primal_is_smaller(cases: int, features: int, ways: int) -> bool:
    """Whether Newton steps on the weights are much cheaper than those on the coefficients of the cases."""
    system = (features + 1) * ways
    by_weights = system**3 * 2 / 3 + 2 * cases * system**2
    return system <= _LARGEST_SYSTEM and cases > 2 * (features + 1) and by_weights < 2 * ways * cases**3


def fit_primal(rows: Tensor, support: Examples, precision: float, steps: int = 12) -> Tensor:
    """Weights that minimise cross-entropy + precision / 2 * their squared norm, shape (features, ways), by Newton.

    Args:
        rows: features of the cases, an intercept's column of ones among them, shape (cases, features), float64.
        support: targets and mask.
        precision: of the Gaussian prior of the weights; scikit-learn's 1 / C.
    """
    real = support.mask.unsqueeze(-1)
    closed = _CLOSED * (1 - present(support))
    features, ways = rows.shape[-1], support.y.shape[-1]
    weights = rows.new_zeros(features, ways)
    eye = torch.eye(features * ways, dtype=rows.dtype, device=rows.device)
    for _ in range(steps):
        p = torch.softmax(rows @ weights + closed, -1) * real
        gradient = rows.mT @ (p - support.y * real) + precision * weights
        outer = torch.einsum("nk,nf,ng->kfg", p, rows, rows)
        cross = torch.einsum(
            "nkf,nlg->kflg", p.unsqueeze(-1) * rows.unsqueeze(1), p.unsqueeze(-1) * rows.unsqueeze(1)
        )
        curvature = -cross.reshape(features * ways, features * ways)
        blocks: Tensor = torch.block_diag(*outer)  # type: ignore[no-untyped-call]
        curvature = curvature + blocks + precision * eye
        step = torch.linalg.solve(curvature, gradient.mT.reshape(-1)).reshape(ways, features).mT
        tried = torch.stack([weights - length * step for length in LENGTHS])
        logits = rows @ tried + closed
        fit = (torch.logsumexp(logits, -1) - (logits * support.y).sum(-1)) * support.mask
        loss = fit.sum(-1) + precision / 2 * tried.square().sum((-2, -1))
        weights = (longest_of_the_best(loss).view(-1, 1, 1) * tried).sum(0)
    return weights
