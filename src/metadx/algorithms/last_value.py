"""Persistence: what was last measured is what will be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from torch import Tensor

from metadx.algorithms.algorithm import Algorithm, Update, nothing_to_learn
from metadx.algorithms.context import EVALUATING, Context
from metadx.algorithms.losses import SQUARED_ERROR, Loss
from metadx.learners import Tensors
from metadx.tasks import Examples


@final
@dataclass(frozen=True, eq=False)
class LastValue(Algorithm):
    """Predicts the last input of each case: the forecast to beat. Targets must be on the scale of the inputs."""

    consumes: ClassVar = "nothing"
    tensors: ClassVar = True
    exact_gradient: ClassVar = False
    transductive: ClassVar = False
    loss: ClassVar[Loss] = SQUARED_ERROR

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        return {}, {}

    def adapt(
        self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING
    ) -> tuple[()]:
        return ()

    def predict(self, params: Tensors, state: Tensors, adapted: tuple[()], x: Tensor) -> Tensor:
        return x.flatten(1)[:, -1:]

    def update(self, params: Tensors, state: Tensors, item: Any, context: Context = EVALUATING) -> Update:
        return nothing_to_learn(state)
