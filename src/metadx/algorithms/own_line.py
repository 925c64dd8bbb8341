"""The line through a patient's own past goes on: the forecast to beat where values change slowly."""

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


class Line(NamedTuple):
    """A line in time.

    Args:
        level: at the time `at`, shape (outputs,).
        slope: shape (outputs,).
        at: a time, shape ().
    """

    level: Tensor
    slope: Tensor
    at: Tensor


@final
@dataclass(frozen=True, eq=False)
class OwnLine(Algorithm):
    """The least squares line through each patient's support cases; level where they are all of one time.

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
    ) -> Line:
        t, weight = _times(support.x, self.time), support.mask.unsqueeze(-1)
        count = weight.sum().clamp(min=1)
        at, level = (t * support.mask).sum() / count, (support.y * weight).sum(0) / count
        apart = (t - at) * support.mask
        spread = apart.square().sum()
        slope = (apart.unsqueeze(-1) * (support.y - level)).sum(0) / spread.clamp(min=1e-12)
        return Line(level, torch.where(spread > 1e-12, slope, torch.zeros_like(slope)), at)

    def predict(self, params: Tensors, state: Tensors, adapted: Line, x: Tensor) -> Tensor:
        return adapted.level + (_times(x, self.time) - adapted.at).unsqueeze(-1) * adapted.slope

    def update(self, params: Tensors, state: Tensors, item: Any, context: Context = EVALUATING) -> Update:
        return nothing_to_learn(state)


def _times(x: Tensor, column: int) -> Tensor:
    return x.flatten(1)[:, column]
