"""Ridge regression towards what was learned of others: a closed form with a meta-learned prior."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, final

import numpy as np
import torch
from torch import Tensor, nn

from metadx.algorithms.algorithm import Algorithm, Update, query_gradient
from metadx.algorithms.checks import positive
from metadx.algorithms.context import EVALUATING, Context
from metadx.algorithms.inner import reference_of
from metadx.algorithms.losses import SQUARED_ERROR, Loss
from metadx.algorithms.ridge import carrying, towards, with_intercept
from metadx.learners import Functional, Reference, Tensors
from metadx.tasks import Examples

_MEAN, _FACTOR, _DIAGONAL = "prior.mean", "prior.factor", "prior.log_diagonal"


class Weights(NamedTuple):
    """Weights of the features, shape (features, outputs), and the cases that batch statistics come from."""

    weights: Tensor
    reference: Reference


@final
@dataclass(frozen=True, eq=False)
class MetaRidge(Algorithm):
    """Linear regression on the inputs and a meta-learned embedding, drawn towards meta-learned weights.

    With features F of the support cases, targets Y, prior weights W0 and prior precision P, the
    adapted weights are W0 + (F^T F + P)^-1 F^T (Y - F W0): without support cases the prior's, and with many the
    patient's own. W0 and the Cholesky factor of P are meta-learned.

    Args:
        network: maps (cases, ...) to embeddings (cases, width), which stand beside the inputs themselves and a 1.
        width: columns of the embedding.
        classes: not used; networks that embed are built with it.
        inputs: numbers in one case.
        outputs: values to predict.
        precision: of the prior before meta-training, in cases.
        carry: before meta-training the prior carries the last input forward, for forecasts; else it predicts 0.
        strength: multiplies the prior's precision after meta-training.

    References:
        Harrison, Sharma and Pavone, "Meta-Learning Priors for Efficient Online Bayesian Regression" (ALPaCA), WAFR
        2018, equations 3 and 4. Bertinetto et al., "Meta-learning with differentiable closed-form solvers" (R2-D2),
        ICLR 2019, without its prior mean.
    """

    consumes: ClassVar = "tasks"
    tensors: ClassVar = True
    exact_gradient: ClassVar = True
    transductive: ClassVar = False
    loss: ClassVar[Loss] = SQUARED_ERROR

    network: nn.Module = field(repr=False)
    width: int
    inputs: int
    classes: int = 0
    outputs: int = 1
    precision: float = 10.0
    carry: bool = False
    strength: float = 1.0

    def __post_init__(self) -> None:
        positive(self, "width", "inputs", "outputs", "precision", "strength")

    @cached_property
    def net(self) -> Functional:
        return Functional(self.network)

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        params, state = self.net.init()
        size = 1 + self.inputs + self.width
        like = next(iter((params | state).values()), torch.zeros(()))
        mean = like.new_zeros(size, self.outputs)
        if self.carry:
            mean = carrying(like, self.inputs, self.outputs, size)
        prior = {
            _MEAN: mean,
            _FACTOR: like.new_zeros(size, size),
            _DIAGONAL: like.new_full((size,), float(np.log(self.precision))),
        }
        return params | prior, state

    def adapt(
        self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING
    ) -> Weights:
        reference = reference_of(support, context.query)
        features = self._features(params | state, reference, support.x)
        unit = torch.eye(features.shape[-1], dtype=features.dtype, device=features.device)
        factor = (params[_FACTOR].tril(-1) + unit) * (params[_DIAGONAL] / 2).exp()
        return Weights(
            towards(params[_MEAN], self.strength * factor @ factor.mT, features, support), reference
        )

    def predict(self, params: Tensors, state: Tensors, adapted: Weights, x: Tensor) -> Tensor:
        return self._features(params | state, adapted.reference, x) @ adapted.weights

    def _features(self, tensors: Tensors, reference: Reference, x: Tensor) -> Tensor:
        embedding = self.net.given(tensors, reference, x)
        return with_intercept(x, embedding)

    def update(self, params: Tensors, state: Tensors, item: Any, context: Context = EVALUATING) -> Update:
        return query_gradient(self, params, state, item, context)
