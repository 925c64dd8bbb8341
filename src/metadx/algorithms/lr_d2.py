"""LR-D2: an embedding learned through a logistic regression that is fitted to each support set."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, final

import numpy as np
import torch
from torch import Tensor, nn

from metadx.algorithms.algorithm import Algorithm, Update, query_gradient
from metadx.algorithms.checks import at_least
from metadx.algorithms.context import EVALUATING, Context
from metadx.algorithms.dual import DualFit, fit_dual, predict_dual
from metadx.algorithms.inner import reference_of
from metadx.algorithms.losses import CROSS_ENTROPY, Loss
from metadx.learners import Functional, Reference, Tensors
from metadx.tasks import Examples

_PRECISION, _TEMPERATURE = "head.log_precision", "head.log_temperature"


class Head(NamedTuple):
    """A logistic regression on embeddings.

    Args:
        dual: its coefficients.
        embedding: of the support cases, shape (cases, width).
        reference: the cases that batch statistics come from.
    """

    dual: DualFit
    embedding: Tensor
    reference: Reference


@final
@dataclass(frozen=True, eq=False)
class LRD2(Algorithm):
    """Meta-learns an embedding, and the prior and temperature of the logistic regression fitted on it.

    The regression is unrolled: a fixed number of Böhning steps in the dual, differentiated through. Embeddings are
    divided by the root of their mean squared length over the support set.

    Args:
        network: maps (cases, ...) to embeddings (cases, width).
        steps: dual steps.

    References:
        Bertinetto, Henriques, Torr and Vedaldi, "Meta-learning with Differentiable Closed-form Solvers", ICLR 2019
        (LR-D2, there by Newton's method on two ways). Böhning 1992 for the solver.
    """

    consumes: ClassVar = "tasks"
    tensors: ClassVar = True
    embeds: ClassVar = True
    fits_head: ClassVar = True
    exact_gradient: ClassVar = True
    transductive: ClassVar = False
    loss: ClassVar[Loss] = CROSS_ENTROPY

    network: nn.Module = field(repr=False)
    steps: int = 12

    def __post_init__(self) -> None:
        at_least(1, self, "steps")

    @cached_property
    def net(self) -> Functional:
        return Functional(self.network)

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        params, state = self.net.init()
        like = next(iter((params | state).values()), torch.zeros(()))
        return params | {_PRECISION: like.new_zeros(()), _TEMPERATURE: like.new_ones(())}, state

    def adapt(
        self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING
    ) -> Head:
        reference = reference_of(support, context.query)
        embedding = self.net.given(params | state, reference, support.x)
        weight = support.mask.unsqueeze(-1)
        size = (embedding.square() * weight).sum() / support.mask.sum()
        embedding = embedding * (size + 1e-12).rsqrt()
        gram = embedding @ embedding.mT + 1
        dual = fit_dual(gram, support, params[_PRECISION].exp(), self.steps)
        return Head(dual, embedding * (size + 1e-12).rsqrt(), reference)

    def predict(self, params: Tensors, state: Tensors, adapted: Head, x: Tensor) -> Tensor:
        embedding = self.net.given(params | state, adapted.reference, x)
        logits = predict_dual(adapted.dual, embedding @ adapted.embedding.mT + 1)
        return self.loss.restrict(params[_TEMPERATURE].exp() * logits, adapted.dual.support)

    def update(self, params: Tensors, state: Tensors, item: Any, context: Context = EVALUATING) -> Update:
        return query_gradient(self, params, state, item, context)
