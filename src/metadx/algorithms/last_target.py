"""The last of a patient's targets is what every later one will be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from metadx.algorithms.algorithm import Algorithm, Update, nothing_to_learn
from metadx.algorithms.checks import at_least
from metadx.algorithms.context import EVALUATING, Context
from metadx.algorithms.losses import SQUARED_ERROR, Loss
from metadx.learners import Tensors
from metadx.tasks import Examples


class Level(NamedTuple):
    """One value for every case, shape (outputs,)."""

    value: Tensor


@final
@dataclass(frozen=True, eq=False)
class LastTarget(Algorithm):
    """Carries the target of each patient's latest support case forward; 0 without support cases.

    Args:
        time: which of the inputs is the time of the case, from 0.
    """

    consumes: ClassVar = "nothing"
    tensors: ClassVar = True
    exact_gradient: ClassVar = False
    transductive: ClassVar = False
    loss: ClassVar[Loss] = SQUARED_ERROR

    time: int = 0

    def __post_init__(self) -> None:
        at_least(0, self, "time")

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        return {}, {}

    def adapt(
        self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING
    ) -> Level:
        if not len(support.x):
            return Level(support.y.new_zeros(support.y.shape[-1]))
        time = support.x.flatten(1)[:, self.time].masked_fill(support.mask == 0, -torch.inf)
        last = torch.nn.functional.one_hot(time.argmax(), len(time)).to(support.y.dtype) * support.mask
        return Level((support.y * last.unsqueeze(-1)).sum(0))

    def predict(self, params: Tensors, state: Tensors, adapted: Level, x: Tensor) -> Tensor:
        return adapted.value.expand(len(x), -1)

    def update(self, params: Tensors, state: Tensors, item: Any, context: Context = EVALUATING) -> Update:
        return nothing_to_learn(state)
