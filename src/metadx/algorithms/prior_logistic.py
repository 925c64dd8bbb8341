"""Logistic regression towards what was learned of others: classes that mean the same everywhere, and a prior."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, final

import numpy as np
import torch
from torch import Tensor, nn

from metadx.algorithms.algorithm import Algorithm, Update, query_gradient
from metadx.algorithms.checks import at_least, positive
from metadx.algorithms.context import EVALUATING, Context
from metadx.algorithms.dual import DualFit, fit_towards, predict_dual
from metadx.algorithms.inner import reference_of
from metadx.algorithms.losses import CROSS_ENTROPY, Loss
from metadx.algorithms.ridge import with_intercept
from metadx.learners import Functional, Reference, Tensors
from metadx.tasks import Examples

_MEAN, _PRECISION, _SLOPE = "prior.mean", "prior.log_precision", "prior.log_slope"


class Shifted(NamedTuple):
    """A task's change of the prior's logits: dual coefficients, and the features they belong to."""

    dual: DualFit
    features: Tensor
    reference: Reference


@final
@dataclass(frozen=True, eq=False)
class PriorLogistic(Algorithm):
    """Multinomial logistic regression drawn towards meta-learned weights, for classes that all tasks share.

    With features F (a 1, the inputs, a meta-learned embedding) the prior's logits are F W0. Adapting adds
    F V + F W0 B with V ~ N(0, P^-1) and B ~ N(0, 1/s): the change that the support set makes likely. Without
    support cases it is the one model for everybody; a change of the intercept and of B alone is that model
    recalibrated; with many cases it is the task's own regression. W0, the diagonal of P and s are meta-learned, so
    how far each feature may move is what tasks have shown. A class without a support case stays possible, unlike
    in `MetaLogistic`.

    Args:
        network: maps (cases, ...) to embeddings (cases, width).
        width: columns of the embedding.
        classes: not used; networks that embed are built with it.
        inputs: numbers in one case.
        outputs: classes.
        precision: of the prior before meta-training, for every feature but the 1, whose precision begins at 1.
        raw: whether the inputs themselves are features beside the embedding; for tables, not for long signals.
        strength: multiplies the precisions after meta-training; large trusts the others, small the task's cases.
        steps: of the solver.

    References:
        Grant et al., "Recasting Gradient-Based Meta-Learning as Hierarchical Bayes", ICLR 2018; Steyerberg et al.,
        "Validation and updating of predictive logistic regression models", Statistics in Medicine 2004, for
        recalibration as the least of the changes.
    """

    consumes: ClassVar = "tasks"
    tensors: ClassVar = True
    exact_gradient: ClassVar = True
    transductive: ClassVar = False
    loss: ClassVar[Loss] = CROSS_ENTROPY

    network: nn.Module = field(repr=False)
    width: int
    inputs: int
    classes: int = 0
    outputs: int = 2
    precision: float = 30.0
    raw: bool = True
    strength: float = 1.0
    steps: int = 20

    def __post_init__(self) -> None:
        positive(self, "width", "inputs", "precision", "strength")
        at_least(2, self, "outputs")
        at_least(1, self, "steps")

    @cached_property
    def net(self) -> Functional:
        return Functional(self.network)

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        params, state = self.net.init()
        size = 1 + self.width + (self.inputs if self.raw else 0)
        like = next(iter((params | state).values()), torch.zeros(()))
        precision = like.new_full((size,), float(np.log(self.precision)))
        precision[0] = 0.0
        prior = {
            _MEAN: like.new_zeros(size, self.outputs),
            _PRECISION: precision,
            _SLOPE: like.new_full((), float(np.log(self.precision))),
        }
        return params | prior, state

    def adapt(
        self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING
    ) -> Shifted:
        reference = reference_of(support, context.query)
        features = self._features(params | state, reference, support.x)
        gram = self._covariance(params, features, features)
        return Shifted(fit_towards(gram, features @ params[_MEAN], support, self.steps), features, reference)

    def predict(self, params: Tensors, state: Tensors, adapted: Shifted, x: Tensor) -> Tensor:
        features = self._features(params | state, adapted.reference, x)
        gram = self._covariance(params, features, adapted.features)
        return features @ params[_MEAN] + predict_dual(adapted.dual, gram)

    def _covariance(self, params: Tensors, a: Tensor, b: Tensor) -> Tensor:
        """Of the changes of two sets of cases, shape (cases of a, cases of b)."""
        direct = (a * (-params[_PRECISION]).exp()) @ b.mT
        slope = (a @ params[_MEAN]) @ (b @ params[_MEAN]).mT * (-params[_SLOPE]).exp()
        return (direct + slope) / self.strength

    def _features(self, tensors: Tensors, reference: Reference, x: Tensor) -> Tensor:
        embedding = self.net.given(tensors, reference, x)
        return with_intercept(x, embedding) if self.raw else with_intercept(embedding)

    def update(self, params: Tensors, state: Tensors, item: Any, context: Context = EVALUATING) -> Update:
        return query_gradient(self, params, state, item, context)
