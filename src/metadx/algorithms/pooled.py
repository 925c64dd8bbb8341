"""One network for everybody: trained on all meta-training cases, and not adapted."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor, nn

from metadx.algorithms.algorithm import Algorithm, Update
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
    """

    consumes: ClassVar = "cases"
    tensors: ClassVar = True
    exact_gradient: ClassVar = True
    transductive: ClassVar = False
    loss: ClassVar[Loss] = SQUARED_ERROR

    network: nn.Module = field(repr=False)

    @cached_property
    def net(self) -> Functional:
        return Functional(self.network)

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        return self.net.init()

    def adapt(
        self,
        params: Tensors,
        state: Tensors,
        support: Examples,
        *,
        rng: np.random.Generator | None = None,
        step: int = 0,
        train: bool = False,
        query: Reference | None = None,
    ) -> Reference:
        return reference_of(support, query)

    def predict(self, params: Tensors, state: Tensors, adapted: Reference, x: Tensor) -> Tensor:
        return self.net.given(params | state, adapted, x)

    def update(
        self,
        params: Tensors,
        state: Tensors,
        item: Examples,
        *,
        rng: np.random.Generator | None = None,
        step: int = 0,
    ) -> Update:
        def objective(params: Tensors) -> tuple[Tensor, dict[str, Tensor]]:
            output = self.net(params | state, item.x, item.mask)
            value = self.loss.value(output, item)
            return value, {"loss": value.detach(), "score": self.loss.score(output.detach(), item)}

        direction, metrics = torch.func.grad(objective, has_aux=True)(params)
        return direction, state, metrics
