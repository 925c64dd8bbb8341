"""A Gaussian process on a meta-learned embedding, which knows what its support set leaves open."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor, nn

from metadx.algorithms.algorithm import Algorithm, Update, query_gradient
from metadx.algorithms.checks import at_least
from metadx.algorithms.context import EVALUATING, Context
from metadx.algorithms.dual import fit_dual
from metadx.algorithms.head import FittedHead, embed_support
from metadx.algorithms.losses import CROSS_ENTROPY, Loss
from metadx.algorithms.protonet import squared_distance
from metadx.learners import Functional, Tensors
from metadx.tasks import Examples

_AMPLITUDE, _LENGTH, _WEIGHT = "kernel.log_amplitude", "kernel.log_length", "likelihood.log_weight"
_FIRST_AMPLITUDE, _FIRST_WEIGHT = 3.0, 100.0
_LEAST_CURVATURE = 1e-6


@final
@dataclass(frozen=True, eq=False)
class GaussianProcess(Algorithm):
    """Meta-learns an embedding and a kernel on it, through the posterior that each support set gives.

    For conditions every way has a latent function. Its posterior is Laplace's approximation around the most
    probable one, way by way, and each logit is divided by sqrt(1 + pi / 8 times its variance). Every support case
    counts for a meta-learned number of cases: at 1, a single case would never be believed. For values the posterior
    is exact, in units that are estimated from each support set, and that number is one over the noise's variance.
    Far from every support case a logit has mean 0 and its full variance, so all conditions are equally probable; a
    value is then the support set's mean.

    Args:
        network: maps (cases, ...) to embeddings (cases, width).
        loss: cross-entropy or squared error.
        steps: of the solver that finds the most probable functions, for conditions.

    References:
        Patacchiola et al., "Bayesian Meta-Learning for the Few-Shot Setting via Deep Kernels", NeurIPS 2020.
        Rasmussen and Williams, "Gaussian Processes for Machine Learning", 2006, sections 2.2 and 3.5, for the
        posteriors. MacKay, "The Evidence Framework Applied to Classification Networks", 1992, for the division.
    """

    consumes: ClassVar = "tasks"
    tensors: ClassVar = True
    embeds: ClassVar = True
    fits_head: ClassVar = True
    exact_gradient: ClassVar = True
    transductive: ClassVar = False

    network: nn.Module = field(repr=False)
    loss: Loss = CROSS_ENTROPY
    steps: int = 12

    def __post_init__(self) -> None:
        at_least(1, self, "steps")

    @cached_property
    def net(self) -> Functional:
        return Functional(self.network)

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        params, state = self.net.init()
        like = next(iter((params | state).values()), torch.zeros(()))
        first = {_AMPLITUDE: _FIRST_AMPLITUDE, _LENGTH: 1.0, _WEIGHT: _FIRST_WEIGHT}
        return params | {name: like.new_full((), math.log(value)) for name, value in first.items()}, state

    def adapt(
        self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING
    ) -> FittedHead:
        embedding, reference = embed_support(self.net, params | state, support)
        gram = _kernel(params, embedding, embedding)
        posterior = self._of_conditions if self.loss.classification else _of_values
        fitted = posterior(gram, params[_WEIGHT].exp(), support)
        return FittedHead({"embedding": embedding} | fitted, reference, support)

    def _of_conditions(self, gram: Tensor, weight: Tensor, support: Examples) -> Tensors:
        coefficients = fit_dual(gram, support, 1 / weight, self.steps).coefficients
        p = torch.softmax(self.loss.restrict(gram @ coefficients, support), -1)
        curvature = weight * (p * (1 - p)).clamp(min=_LEAST_CURVATURE)
        return {
            "centre": coefficients.new_zeros(coefficients.shape[-1]),
            "coefficients": coefficients,
            "whitening": _whitening(gram, curvature, support.mask),
            "unit": coefficients.new_ones(coefficients.shape[-1]),
        }

    def predict(self, params: Tensors, state: Tensors, adapted: FittedHead, x: Tensor) -> Tensor:
        mean, variance = self.posterior(params, state, adapted, x)
        if not self.loss.classification:
            return mean
        return self.loss.restrict(mean / torch.sqrt(1 + math.pi / 8 * variance), adapted.support)

    def posterior(
        self, params: Tensors, state: Tensors, adapted: FittedHead, x: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Mean and variance of what is predicted, before noise: what more support cases would settle.

        Returns:
            Of logits or values, shape (cases, outputs) each.
        """
        head, embedding = adapted.head, self.net.given(params | state, adapted.reference, x)
        kernel = _kernel(params, embedding, head["embedding"]) * adapted.support.mask
        mean = head["centre"] + kernel @ head["coefficients"]
        settled = (head["whitening"] @ kernel.mT).square().sum(-2).mT
        variance = (params[_AMPLITUDE].exp() - settled).clamp(min=0) * head["unit"]
        return mean, variance

    def update(self, params: Tensors, state: Tensors, item: Any, context: Context = EVALUATING) -> Update:
        return query_gradient(self, params, state, item, context)


def _kernel(params: Tensors, a: Tensor, b: Tensor) -> Tensor:
    """Prior covariances of every row of `a` with every row of `b`."""
    apart = squared_distance(a, b) / a.shape[-1]
    return torch.exp(params[_AMPLITUDE] - apart / 2 * torch.exp(-2 * params[_LENGTH]))


def _of_values(gram: Tensor, weight: Tensor, support: Examples) -> Tensors:
    """The posterior of values around their mean; one case does not say what the unit of variance is."""
    real = support.mask.unsqueeze(-1)
    centre = (support.y * real).sum(0) / real.sum()
    whitening = _whitening(gram, weight * torch.ones_like(real), support.mask)
    apart = (support.y - centre) * real
    coefficients = whitening[0].mT @ whitening[0] @ apart
    fit, spare = (apart * coefficients).sum(0), real.sum() - 1
    unit = torch.where(spare > 0, fit / spare.clamp(min=1), torch.inf)
    return {"centre": centre, "coefficients": coefficients, "whitening": whitening, "unit": unit}


def _whitening(gram: Tensor, precision: Tensor, mask: Tensor) -> Tensor:
    """W with W^T W = (gram + 1 / precision)^-1 for each column of precisions, and 0 for padded cases.

    Args:
        precision: of what the support cases say, shape (cases, columns).

    Returns:
        Shape (columns, cases, cases).
    """
    root = torch.diag_embed((precision.sqrt() * mask.unsqueeze(-1)).mT)
    unit = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
    factor = torch.linalg.cholesky(unit + root @ gram @ root)
    whitening: Tensor = torch.linalg.solve_triangular(factor, root, upper=False)
    return whitening
