"""The learner trained from scratch on each support set: what meta-learning is measured against."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
from torch import Tensor, nn

from metadx.algorithms.algorithm import Algorithm, Update, nothing_to_learn
from metadx.algorithms.checks import at_least, positive
from metadx.algorithms.context import EVALUATING, Context
from metadx.algorithms.inner import Adapted, adam, predict_adapted, reference_of, support_objective
from metadx.algorithms.losses import CROSS_ENTROPY, Loss
from metadx.learners import Functional, Tensors
from metadx.tasks import Examples


@final
@dataclass(frozen=True, eq=False)
class Scratch(Algorithm):
    """The untrained network, fitted by Adam to each task's support set alone; nothing is meta-learned.

    Args:
        network: maps (cases, ...) to (cases, outputs).
        lr: step size of Adam.
        steps: full-batch steps.
        loss: cross-entropy or squared error.
    """

    consumes: ClassVar = "nothing"
    tensors: ClassVar = True
    exact_gradient: ClassVar = False
    transductive: ClassVar = False

    network: nn.Module = field(repr=False)
    lr: float = 1e-2
    steps: int = 100
    loss: Loss = CROSS_ENTROPY

    def __post_init__(self) -> None:
        positive(self, "lr")
        at_least(0, self, "steps")

    @cached_property
    def net(self) -> Functional:
        return Functional(self.network)

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        return self.net.init()

    def adapt(
        self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING
    ) -> Adapted:
        objective = support_objective(self.net, self.loss, state, support)
        fast = adam(lambda _: objective, params, self.lr, self.steps)
        return Adapted(state | fast, reference_of(support, context.query), support)

    def predict(self, params: Tensors, state: Tensors, adapted: Adapted, x: Tensor) -> Tensor:
        return predict_adapted(self.net, self.loss, adapted, x)

    def update(self, params: Tensors, state: Tensors, item: Any, context: Context = EVALUATING) -> Update:
        return nothing_to_learn(state)
