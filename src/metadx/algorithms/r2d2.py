"""R2-D2: an embedding learned through a ridge regression that is fitted to each support set."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor, nn

from metadx.algorithms.algorithm import Algorithm, Update, query_gradient
from metadx.algorithms.context import EVALUATING, Context
from metadx.algorithms.head import FittedHead, embed_support
from metadx.algorithms.losses import CROSS_ENTROPY, Loss
from metadx.algorithms.ridge import smaller_ridge, with_intercept
from metadx.learners import Functional, Tensors
from metadx.tasks import Examples

_PENALTY, _SCALE = "head.log_penalty", "head.log_scale"
_SHARPNESS = 10.0


@final
@dataclass(frozen=True, eq=False)
class R2D2(Algorithm):
    """Meta-learns an embedding, and the penalty of the ridge regression that is fitted on it in closed form.

    Conditions are regressed on as one-hot targets; what comes out is near 0 to 1, so a meta-learned scale makes
    logits of it. Values need no scale. The paper's shift of all logits is left out, for a softmax does not see it.

    Args:
        network: maps (cases, ...) to embeddings (cases, width).
        loss: cross-entropy or squared error.

    References:
        Bertinetto, Henriques, Torr and Vedaldi, "Meta-learning with Differentiable Closed-form Solvers", ICLR 2019,
        equations 4 to 6.
    """

    consumes: ClassVar = "tasks"
    tensors: ClassVar = True
    embeds: ClassVar = True
    fits_head: ClassVar = True
    exact_gradient: ClassVar = True
    transductive: ClassVar = False

    network: nn.Module = field(repr=False)
    loss: Loss = CROSS_ENTROPY

    @cached_property
    def net(self) -> Functional:
        return Functional(self.network)

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        params, state = self.net.init()
        like = next(iter((params | state).values()), torch.zeros(()))
        head = {_PENALTY: like.new_zeros(())}
        if self.loss.classification:
            head[_SCALE] = like.new_full((), float(np.log(_SHARPNESS)))
        return params | head, state

    def adapt(
        self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING
    ) -> FittedHead:
        embedding, reference = embed_support(self.net, params | state, support)
        penalty = params[_PENALTY].exp() * support.mask.sum()
        weights = smaller_ridge(with_intercept(embedding), support, penalty)
        if self.loss.classification:
            weights = params[_SCALE].exp() * weights
        return FittedHead({"weights": weights}, reference, support)

    def predict(self, params: Tensors, state: Tensors, adapted: FittedHead, x: Tensor) -> Tensor:
        embedding = self.net.given(params | state, adapted.reference, x)
        return self.loss.restrict(with_intercept(embedding) @ adapted.head["weights"], adapted.support)

    def update(self, params: Tensors, state: Tensors, item: Any, context: Context = EVALUATING) -> Update:
        return query_gradient(self, params, state, item, context)
