"""CAVIA: a task is a few context parameters; the network itself is the same for every task."""

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
from metadx.learners.film import CONTEXT, SCALE, SHIFT, modulated
from metadx.tasks import Examples


@final
@dataclass(frozen=True, eq=False)
class CAVIA(Algorithm, MemorySettings):
    """Adapts nothing but context parameters, which begin at 0 and change what one layer of the network puts out.

    Args:
        network: maps (cases, ...) to (cases, outputs).
        context_params: how many.
        layer: whose output they change, such as "features.0"; by default the first of a network of linear layers,
            and the third convolution of others, after its norm.
        inner_lr: step size of the inner loop, on the mean loss.
        inner_steps: inner steps in training.
        eval_steps: inner steps at evaluation; `inner_steps` by default.
        transductive: batch statistics come from the query set, as in the published figures.
        loss: cross-entropy or squared error.

    References:
        Zintgraf et al., "Fast Context Adaptation via Meta-Learning", ICML 2019, section 3.
    """

    consumes: ClassVar = "tasks"
    tensors: ClassVar = True
    exact_gradient: ClassVar = True

    network: nn.Module = field(repr=False)
    context_params: int = 5
    layer: str = ""
    inner_lr: float = 1.0
    inner_steps: int = 1
    eval_steps: int | None = None
    transductive: bool = False
    loss: Loss = CROSS_ENTROPY

    def __post_init__(self) -> None:
        positive(self, "inner_lr")
        at_least(1, self, "context_params")
        at_least(0, self, "inner_steps", "eval_steps")
        check_microbatch(self, self.inner_microbatch, self.net)
        _ = self._modulated  # refuses a layer that is not there

    @cached_property
    def _modulated(self) -> tuple[nn.Module, str]:
        return modulated(self.network, self.layer, self.context_params)

    @cached_property
    def net(self) -> Functional:
        return Functional(self._modulated[0])

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        params, state = self.net.init()
        for name in (self._named(SHIFT), self._named(SCALE)):
            if name in params:
                reach = self.context_params**-0.5
                drawn = rng.uniform(-reach, reach, params[name].shape)
                params[name] = torch.from_numpy(drawn).to(params[name])
        return params, state

    def adapt(
        self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING
    ) -> Adapted:
        fast = {self._named(CONTEXT): state[self._named(CONTEXT)]}
        steps = steps_now(context, self.inner_steps, self.eval_steps)
        return descend(
            self.net, self.loss, state | params, fast, support, self.inner_lr, steps, context, self
        )

    def predict(self, params: Tensors, state: Tensors, adapted: Adapted, x: Tensor) -> Tensor:
        return predict_adapted(self.net, self.loss, adapted, x)

    def update(self, params: Tensors, state: Tensors, item: Any, context: Context = EVALUATING) -> Update:
        return query_gradient(self, params, state, item, context)

    def _named(self, tensor: str) -> str:
        """The name of a tensor of the layer that is changed."""
        return f"{self._modulated[1]}.{tensor}".removeprefix(".")
