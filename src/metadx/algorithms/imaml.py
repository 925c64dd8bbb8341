"""Implicit MAML: the gradient through an inner problem that is solved, without a way back through its steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor, nn

from metadx.algorithms.algorithm import Algorithm, Metrics, Update
from metadx.algorithms.checks import at_least, positive
from metadx.algorithms.context import EVALUATING, Context
from metadx.algorithms.gradient import gradient, gradient_and_aux
from metadx.algorithms.inner import (
    Adapted,
    gradient_descent,
    predict_adapted,
    reference_of,
    steps_now,
    support_gradient,
    through,
)
from metadx.algorithms.losses import CROSS_ENTROPY, Loss
from metadx.algorithms.memory import MemorySettings, check_microbatch
from metadx.learners import Functional, Reference, Tensors
from metadx.tasks import Examples, Task


@final
@dataclass(frozen=True, eq=False)
class IMAML(Algorithm):
    """MAML whose inner problem is pulled towards the initialisation and whose gradient is implicit.

    The direction (I + H / penalty)^-1 g, with g the gradient of the query loss and H the Hessian of the support
    loss at the adapted weights, is the exact gradient only where the inner problem is solved. How far it is from
    that is the metric `unsolved`: the norm of the inner gradient after the steps, as a share of that before them.

    Args:
        network: maps (cases, ...) to (cases, outputs).
        inner_lr: step size of gradient descent on the inner problem, on the mean loss.
        inner_steps: inner steps in training; enough to solve it.
        eval_steps: inner steps at evaluation; `inner_steps` by default.
        penalty: on half the squared distance to the initialisation; above the most negative curvature of the loss.
        cg_steps: steps of the conjugate gradient that solves for the direction.
        damping: added to the penalty where the direction is solved for, which keeps it sound while the inner
            problem is not solved; 0 for the implicit gradient itself.
        inner_microbatch: support cases that go through the network at once, whose gradients are added up; all by
            default.
        transductive: batch statistics come from the query set.
        loss: cross-entropy or squared error.

    References:
        Rajeswaran, Finn, Kakade and Levine, "Meta-Learning with Implicit Gradients", NeurIPS 2019, algorithms 1
        and 2.
    """

    consumes: ClassVar = "tasks"
    tensors: ClassVar = True
    exact_gradient: ClassVar = False

    network: nn.Module = field(repr=False)
    inner_lr: float = 0.1
    inner_steps: int = 16
    eval_steps: int | None = None
    penalty: float = 2.0
    cg_steps: int = 5
    damping: float = 0.0
    inner_microbatch: int | None = None
    transductive: bool = False
    loss: Loss = CROSS_ENTROPY

    def __post_init__(self) -> None:
        positive(self, "inner_lr", "penalty")
        at_least(0, self, "inner_steps", "eval_steps", "damping")
        at_least(1, self, "cg_steps")
        check_microbatch(self, self.inner_microbatch, self.net)

    @cached_property
    def net(self) -> Functional:
        return Functional(self.network)

    def init(self, rng: np.random.Generator) -> tuple[Tensors, Tensors]:
        return self.net.init()

    def adapt(
        self, params: Tensors, state: Tensors, support: Examples, context: Context = EVALUATING
    ) -> Adapted:
        def slope(fast: Tensors) -> Tensors:
            return self._slope(params, state, support, fast)

        steps = steps_now(context, self.inner_steps, self.eval_steps)
        fast = gradient_descent(slope, params, self.inner_lr, steps)
        return Adapted(state | fast, reference_of(support, context.query), support)

    def predict(self, params: Tensors, state: Tensors, adapted: Adapted, x: Tensor) -> Tensor:
        return predict_adapted(self.net, self.loss, adapted, x)

    def update(self, params: Tensors, state: Tensors, item: Task, context: Context = EVALUATING) -> Update:
        support, query = item
        seen = Reference(query.x, query.mask) if self.transductive else None
        with torch.no_grad():
            adapted = self.adapt(params, state, support, context._replace(train=True, query=seen))
        fast = {name: adapted.tensors[name] for name in params}

        def query_loss(fast: Tensors) -> tuple[Tensor, Metrics]:
            output = self.predict(params, state, adapted._replace(tensors=state | fast), query.x)
            value = self.loss.value(output, query)
            return value, {"loss": value.detach(), "score": self.loss.score(output.detach(), query)}

        def curved(vector: Tensors) -> Tensors:
            turned = gradient(
                lambda at: dot(self._support_gradient(state, support, at), vector),
                fast,
                differentiable=False,
            )
            return {name: v + turned[name] / (self.penalty + self.damping) for name, v in vector.items()}

        slope, metrics = gradient_and_aux(query_loss, fast, differentiable=False)
        direction = conjugate_gradient(curved, slope, self.cg_steps)
        with torch.no_grad():
            before, after = (self._slope(params, state, support, at) for at in (params, fast))
        metrics["unsolved"] = (dot(after, after) / dot(before, before).clamp(min=1e-30)).sqrt().detach()
        return {name: d.detach() for name, d in direction.items()}, state, metrics

    def _slope(self, params: Tensors, state: Tensors, support: Examples, fast: Tensors) -> Tensors:
        """The gradient of the support loss and of the squared distance to the initialisation."""
        down = self._support_gradient(state, support, fast)
        return {name: g + self.penalty * (fast[name] - params[name]) for name, g in down.items()}

    def _support_gradient(self, state: Tensors, support: Examples, fast: Tensors) -> Tensors:
        parts = self.inner_microbatch
        memory = MemorySettings(recompute=parts is not None, inner_microbatch=parts)
        return support_gradient(through(self.net), self.loss, state, fast, support, memory)


def dot(a: Tensors, b: Tensors) -> Tensor:
    """The inner product over all tensors of the same names."""
    return torch.stack([(value * b[name]).sum() for name, value in a.items()]).sum()


def conjugate_gradient(times: Callable[[Tensors], Tensors], right: Tensors, steps: int) -> Tensors:
    """The x for which `times(x)` is `right`, after some steps from 0.

    It stops where nothing is left, or where the matrix proves not to be positive: with what it has, and with the
    right-hand side itself if that is at the first step. There is no branch on data, so that it runs under
    `torch.func.vmap`.

    Args:
        times: multiplies by a symmetric matrix, positive definite if there is to be a solution.
        right: the right-hand side.
        steps: at most as many.

    References:
        Nocedal and Wright, "Numerical Optimization", 2006, algorithm 7.1.
    """
    x = {name: torch.zeros_like(value) for name, value in right.items()}
    left = ahead = right
    size = dot(left, left)
    going = torch.ones_like(size)
    for step in range(steps):
        product = times(ahead)
        bend = dot(ahead, product)
        going = going * (bend > 0)
        length = going * size / torch.where(bend > 0, bend, 1.0)
        if step == 0:
            length = torch.where(bend > 0, length, 1.0)
        x = {name: value + length * ahead[name] for name, value in x.items()}
        left = {name: value - length * product[name] for name, value in left.items()}
        before, size = size, dot(left, left)
        again = size / torch.where(before > 0, before, 1.0)
        ahead = {name: value + again * ahead[name] for name, value in left.items()}
    return x
