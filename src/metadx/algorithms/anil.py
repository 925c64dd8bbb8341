"""Almost no inner loop: only the head adapts."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
from torch import Tensor, nn

from metadx.algorithms.algorithm import Algorithm, Update, query_gradient
from metadx.algorithms.checks import at_least, positive
from metadx.algorithms.context import EVALUATING, Context
from metadx.algorithms.inner import (
    Adapted,
    Forward,
    gradient_descent,
    predict_adapted,
    reference_of,
    steps_now,
    support_gradient,
    through,
)
from metadx.algorithms.losses import CROSS_ENTROPY, Loss
from metadx.algorithms.memory import MemorySettings, check_microbatch
from metadx.errors import UserError
from metadx.learners import Functional, Tensors
from metadx.tasks import Examples


@final
@dataclass(frozen=True, eq=False)
class ANIL(Algorithm, MemorySettings):
    """MAML whose inner loop changes only the network's head; the body is meta-learned and shared.

    Args:
        network: maps (cases, ...) to (cases, outputs).
        inner_lr: step size of the inner loop, on the mean loss.
        inner_steps: inner steps in training.
        eval_steps: inner steps at evaluation; `inner_steps` by default.
        head: prefix of the parameters that adapt, such as "head."; the last layer by default.
        transductive: batch statistics come from the query set, as in the published figures.
        loss: cross-entropy or squared error.

    References:
        Raghu et al., "Rapid Learning or Feature Reuse?", ICLR 2020, section 4.
    """

    consumes: ClassVar = "tasks"
    tensors: ClassVar = True
    exact_gradient: ClassVar = True

    network: nn.Module = field(repr=False)
    inner_lr: float = 0.1
    inner_steps: int = 5
    eval_steps: int | None = None
    head: str = ""
    transductive: bool = False
    loss: Loss = CROSS_ENTROPY

    def __post_init__(self) -> None:
        positive(self, "inner_lr")
        at_least(0, self, "inner_steps", "eval_steps")
        check_microbatch(self, self.inner_microbatch, self.net)
        if not self.head_names:
            raise UserError(
                f"ANIL: head must be the beginning of names of trainable parameters, not {self.head!r}; "
                f"the network has {', '.join(self.net.init()[0]) or 'none'}"
            )

    @cached_property
    def net(self) -> Functional:
        return Functional(self.network)

    @cached_property
    def head_names(self) -> set[str]:
        """Names of the parameters that adapt."""
        return self.net.head_names(self.head)

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        return self.net.init()

    def adapt(
        self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING
    ) -> Adapted:
        body = {name: value for name, value in params.items() if name not in self.head_names}
        head = {name: value for name, value in params.items() if name in self.head_names}
        forward, seen = self._shortest(state | params, support)

        def slope(fast: Tensors) -> Tensors:
            return support_gradient(forward, self.loss, state | body, fast, seen, self)

        steps = steps_now(context, self.inner_steps, self.eval_steps)
        fast = gradient_descent(slope, head, self.inner_lr, steps)
        return Adapted(state | body | fast, reference_of(support, context.query), support)

    def _shortest(self, tensors: Tensors, support: Examples) -> tuple[Forward, Examples]:
        """The way that inner steps go: through the last layer alone, from what comes before it, which they do not
        change; or through the whole network."""
        whole = through(self.net), support
        if self._last is None or self.recompute or self.inner_microbatch is not None:
            return whole  # what comes before the last layer would be kept, of all cases
        layer, last = self._last
        before = self.net.before(layer, tensors, support.x, support.mask)
        if before is None:
            return whole

        def forward(tensors: Tensors, cases: Examples) -> Tensor:
            return last({name: tensors[f"{layer}.{name}"] for name in last.names}, cases.x, cases.mask)

        return forward, support._replace(x=before)

    @cached_property
    def _last(self) -> tuple[str, Functional] | None:
        """The name of the layer that adapts, and it alone; None where there are several."""
        layers = {name.rpartition(".")[0] for name in self.head_names}
        layer = layers.pop()
        return (layer, self.net.layer(layer)) if layer and not layers else None

    def predict(self, params: Tensors, state: Tensors, adapted: Adapted, x: Tensor) -> Tensor:
        return predict_adapted(self.net, self.loss, adapted, x)

    def update(self, params: Tensors, state: Tensors, item: Any, context: Context = EVALUATING) -> Update:
        return query_gradient(self, params, state, item, context)
