"""Reptile: move the initialisation towards where each task's training ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor, nn

from metadx.algorithms.algorithm import Algorithm, Update
from metadx.algorithms.checks import at_least, positive
from metadx.algorithms.context import EVALUATING, Context
from metadx.algorithms.gradient import Objective
from metadx.algorithms.inner import (
    Adapted,
    adam,
    predict_adapted,
    reference_of,
    support_objective,
)
from metadx.algorithms.losses import CROSS_ENTROPY, Loss
from metadx.learners import Functional, Tensors
from metadx.tasks import Examples, Task


@final
@dataclass(frozen=True, eq=False)
class Reptile(Algorithm):
    """Meta-learns an initialisation by stepping towards the weights that training on each task gives.

    In training a task's support and query cases are one training set. The inner optimiser is Adam without
    momentum (beta1 = 0), as published; minibatches go round the cases in the order they were drawn.

    Args:
        network: maps (cases, ...) to (cases, outputs).
        inner_lr: step size of the inner Adam.
        inner_steps: inner steps in training.
        eval_steps: inner steps at evaluation.
        inner_batch: cases per inner step.
        transductive: batch statistics come from the query set.
        loss: cross-entropy or squared error.

    References:
        Nichol, Achiam and Schulman, "On First-Order Meta-Learning Algorithms", 2018, algorithm 1.
    """

    consumes: ClassVar = "tasks"
    tensors: ClassVar = True
    exact_gradient: ClassVar = False

    network: nn.Module = field(repr=False)
    inner_lr: float = 1e-3
    inner_steps: int = 5
    eval_steps: int = 50
    inner_batch: int = 10
    transductive: bool = False
    loss: Loss = CROSS_ENTROPY

    def __post_init__(self) -> None:
        positive(self, "inner_lr", "inner_batch")
        at_least(0, self, "inner_steps", "eval_steps")

    @cached_property
    def net(self) -> Functional:
        return Functional(self.network)

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        return self.net.init()

    def adapt(
        self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING
    ) -> Adapted:
        def objective(i: int) -> Objective:
            return support_objective(self.net, self.loss, state, minibatch(support, i, self.inner_batch))

        steps = self.inner_steps if context.train else self.eval_steps
        fast = adam(objective, params, self.inner_lr, steps, beta1=0.0)
        return Adapted(state | fast, reference_of(support, context.query), support)

    def predict(self, params: Tensors, state: Tensors, adapted: Adapted, x: Tensor) -> Tensor:
        return predict_adapted(self.net, self.loss, adapted, x)

    def update(self, params: Tensors, state: Tensors, item: Task, context: Context = EVALUATING) -> Update:
        pooled = Examples(*(torch.cat(pair) for pair in zip(*item, strict=True)))
        with torch.no_grad():
            adapted = self.adapt(params, state, pooled, context._replace(train=True))
            output = self.predict(params, state, adapted, item.query.x)
        direction = {name: params[name] - adapted.tensors[name] for name in params}
        loss, score = self.loss.value(output, item.query), self.loss.score(output, item.query)
        return direction, state, {"loss": loss, "score": score}


def minibatch(cases: Examples, i: int, size: int) -> Examples:
    """The i-th batch of at most `size` real cases, going round them in order as often as needed."""
    real = cases.mask.sum().long()
    place = torch.arange(min(size, len(cases.x)), device=cases.x.device)
    step = real.clamp(max=size)
    first_real = torch.argsort(cases.mask, descending=True, stable=True)
    rows = first_real[(place + i * step) % real]
    return Examples(cases.x[rows], cases.y[rows], (place < step).to(cases.mask.dtype))
