"""Meta-SGD: learn where gradient descent begins, and the step size of every single weight."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
import torch
from torch import Tensor, nn

from metadx.algorithms.algorithm import Algorithm, Update, query_gradient
from metadx.algorithms.checks import at_least, positive
from metadx.algorithms.context import EVALUATING, Context
from metadx.algorithms.inner import Adapted, descend, predict_adapted, steps_now
from metadx.algorithms.losses import CROSS_ENTROPY, Loss
from metadx.algorithms.memory import MemorySettings, check_microbatch
from metadx.learners import Functional, Tensors
from metadx.tasks import Examples

_RATE = "inner_lr."


@final
@dataclass(frozen=True, eq=False)
class MetaSGD(Algorithm, MemorySettings):
    """MAML whose inner step sizes are meta-learned too, one for every weight; they may become negative.

    Args:
        network: maps (cases, ...) to (cases, outputs).
        inner_lr: step size of every weight before meta-training, on the mean loss.
        inner_steps: inner steps in training.
        eval_steps: inner steps at evaluation; `inner_steps` by default.
        transductive: batch statistics come from the query set, as in the published figures.
        loss: cross-entropy or squared error.

    References:
        Li, Zhou, Chen and Li, "Meta-SGD: Learning to Learn Quickly for Few-Shot Learning", 2017, algorithm 1.
    """

    consumes: ClassVar = "tasks"
    tensors: ClassVar = True
    exact_gradient: ClassVar = True

    network: nn.Module = field(repr=False)
    inner_lr: float = 0.05
    inner_steps: int = 1
    eval_steps: int | None = None
    transductive: bool = False
    loss: Loss = CROSS_ENTROPY

    def __post_init__(self) -> None:
        positive(self, "inner_lr")
        at_least(0, self, "inner_steps", "eval_steps")
        check_microbatch(self, self.inner_microbatch, self.net)

    @cached_property
    def net(self) -> Functional:
        return Functional(self.network)

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        params, state = self.net.init()
        rates = {_RATE + name: torch.full_like(value, self.inner_lr) for name, value in params.items()}
        return params | rates, state

    def adapt(
        self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING
    ) -> Adapted:
        fast = {name: value for name, value in params.items() if not name.startswith(_RATE)}
        rates = {name: params[_RATE + name] for name in fast}
        steps = steps_now(context, self.inner_steps, self.eval_steps)
        return descend(self.net, self.loss, state, fast, support, rates, steps, context, self)

    def predict(self, params: Tensors, state: Tensors, adapted: Adapted, x: Tensor) -> Tensor:
        return predict_adapted(self.net, self.loss, adapted, x)

    def update(self, params: Tensors, state: Tensors, item: Any, context: Context = EVALUATING) -> Update:
        return query_gradient(self, params, state, item, context)
