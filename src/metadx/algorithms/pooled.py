"""One network for everybody: trained on all meta-training cases, and not adapted."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, final

import numpy as np
from torch import Tensor, nn

from metadx.algorithms.algorithm import Algorithm, Update
from metadx.algorithms.context import EVALUATING, Context
from metadx.algorithms.gradient import gradient_and_aux
from metadx.algorithms.inner import reference_of
from metadx.algorithms.losses import SQUARED_ERROR, Loss
from metadx.learners import Functional, Reference, Tensors
from metadx.tasks import Examples


@final
@dataclass(frozen=True, eq=False)
class Pooled(Algorithm):
    """A network trained on the pooled cases of all patients, for targets that mean the same in every task.

    Args:
        network: maps (cases, ...) to (cases, outputs).
        loss: cross-entropy or squared error.
    """

    consumes: ClassVar = "cases"
    tensors: ClassVar = True
    exact_gradient: ClassVar = True
    transductive: ClassVar = False

    network: nn.Module = field(repr=False)
    loss: Loss = SQUARED_ERROR

    @cached_property
    def net(self) -> Functional:
        return Functional(self.network)

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        return self.net.init()

    def adapt(
        self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING
    ) -> Reference:
        return reference_of(support, context.query)

    def predict(self, params: Tensors, state: Tensors, adapted: Reference, x: Tensor) -> Tensor:
        return self.net.given(params | state, adapted, x)

    def update(
        self, params: Tensors, state: Tensors, item: Examples, context: Context = EVALUATING
    ) -> Update:
        return pooled_gradient(self.net, self.loss, params, state, item)


def pooled_gradient(net: Functional, loss: Loss, params: Tensors, state: Tensors, cases: Examples) -> Update:
    """The gradient of the loss on a batch of pooled cases whose targets mean the same in every task."""

    def objective(params: Tensors) -> tuple[Tensor, dict[str, Tensor]]:
        output = net(params | state, cases.x, cases.mask)
        value = loss.value(output, cases)
        return value, {"loss": value.detach(), "score": loss.score(output.detach(), cases)}

    direction, metrics = gradient_and_aux(objective, params, differentiable=False)
    return direction, state, metrics
