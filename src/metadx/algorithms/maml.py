"""Model-agnostic meta-learning: learn an initialisation from which a few gradient steps suffice."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
from torch import Tensor, nn

from metadx.algorithms.algorithm import Algorithm, Update, query_gradient
from metadx.algorithms.checks import at_least, positive
from metadx.algorithms.context import EVALUATING, Context
from metadx.algorithms.inner import Adapted, descend, predict_adapted, steps_now
from metadx.algorithms.losses import CROSS_ENTROPY, Loss
from metadx.algorithms.memory import MemorySettings, check_microbatch
from metadx.learners import Functional, Tensors
from metadx.tasks import Examples


@final
@dataclass(frozen=True, eq=False)
class MAML(Algorithm, MemorySettings):
    """Meta-learns an initialisation for gradient descent on the support set.

    Args:
        network: maps (cases, ...) to (cases, outputs).
        inner_lr: step size of the inner loop, on the mean loss.
        inner_steps: inner steps in training.
        eval_steps: inner steps at evaluation; `inner_steps` by default.
        first_order: treat the inner gradients as constants (FOMAML, section 5.2).
        transductive: batch statistics come from the query set, as in the published figures.
        loss: cross-entropy or squared error.

    References:
        Finn, Abbeel and Levine, "Model-Agnostic Meta-Learning for Fast Adaptation of Deep Networks", ICML 2017,
        algorithm 1.
    """

    consumes: ClassVar = "tasks"
    tensors: ClassVar = True

    network: nn.Module = field(repr=False)
    inner_lr: float = 0.01
    inner_steps: int = 5
    eval_steps: int | None = None
    first_order: bool = False
    transductive: bool = False
    loss: Loss = CROSS_ENTROPY

    def __post_init__(self) -> None:
        positive(self, "inner_lr")
        at_least(0, self, "inner_steps", "eval_steps")
        check_microbatch(self, self.inner_microbatch, self.net)

    @property
    def exact_gradient(self) -> bool:
        return not self.first_order

    @cached_property
    def net(self) -> Functional:
        return Functional(self.network)

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        return self.net.init()

    def adapt(
        self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING
    ) -> Adapted:
        steps = steps_now(context, self.inner_steps, self.eval_steps)
        return descend(
            self.net,
            self.loss,
            state,
            params,
            support,
            self.inner_lr,
            steps,
            context,
            self,
            first_order=self.first_order,
        )

    def predict(self, params: Tensors, state: Tensors, adapted: Adapted, x: Tensor) -> Tensor:
        return predict_adapted(self.net, self.loss, adapted, x)

    def update(self, params: Tensors, state: Tensors, item: Any, context: Context = EVALUATING) -> Update:
        return query_gradient(self, params, state, item, context)
