"""The inner loop: gradient steps on a support set, as a pure function."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from metadx.algorithms.context import Context
from metadx.algorithms.gradient import Objective, gradient
from metadx.algorithms.losses import Loss
from metadx.algorithms.memory import KEEP_ALL, MemorySettings, in_parts
from metadx.algorithms.recompute import recomputed
from metadx.learners import Functional, Reference, Tensors
from metadx.tasks import Examples

Forward = Callable[[Tensors, Examples], Tensor]
"""Outputs of tensors for cases."""


class Adapted(NamedTuple):
    """A network adapted to a task.

    Args:
        tensors: everything the network needs, adapted.
        reference: the cases that batch statistics come from.
        support: the support set, which says which ways exist.
    """

    tensors: Tensors
    reference: Reference
    support: Examples


def steps_now(context: Context, training: int, evaluation: int | None) -> int:
    """Inner steps to take: those of evaluation, where they differ, outside of meta-training."""
    return training if context.train or evaluation is None else evaluation


def through(net: Functional) -> Forward:
    """Outputs of a network for cases, whose batch statistics are their own."""
    return lambda tensors, cases: net(tensors, cases.x, cases.mask)


def support_objective(net: Functional, loss: Loss, fixed: Tensors, support: Examples) -> Objective:
    """The loss on the support set as a function of the tensors that adapt."""
    return lambda fast: support_loss(through(net), loss, fixed | fast, support, support)


def support_loss(forward: Forward, loss: Loss, tensors: Tensors, part: Examples, support: Examples) -> Tensor:
    """What some of the support cases add to the mean loss over all of them."""
    value = loss.value(loss.restrict(forward(tensors, part), support), part)
    if len(part.x) == len(support.x):
        return value
    return value * (part.mask.sum() / support.mask.sum().clamp(min=1))


def support_gradient(
    forward: Forward,
    loss: Loss,
    fixed: Tensors,
    fast: Tensors,
    support: Examples,
    memory: MemorySettings = KEEP_ALL,
    *,
    first_order: bool = False,
) -> Tensors:
    """The gradient of the mean loss on the support set.

    Args:
        forward: gives outputs for cases.
        loss: of the support set.
        fixed: tensors that do not adapt.
        fast: those to differentiate by.
        support: labelled cases of the task.
        memory: how many cases at a time, and whether to compute it again when it is differentiated.
        first_order: it is a constant to the outer loop.
    """

    def of(part: Examples, fast: Tensors, fixed: Tensors, support: Examples) -> Tensors:
        return gradient(
            lambda fast: support_loss(forward, loss, fixed | fast, part, support),
            fast,
            differentiable=not first_order,
        )

    again = memory.recompute and not first_order
    total: Tensors = {}
    for part in in_parts(support, memory.inner_microbatch):
        args = (part, fast, fixed, support)
        found = recomputed(of, *args) if again else of(*args)
        total = {name: total[name] + g for name, g in found.items()} if total else found
    return total


def gradient_descent(
    slope: Callable[[Tensors], Tensors], fast: Tensors, lr: float | Tensors, steps: int
) -> Tensors:
    """`steps` steps of plain gradient descent.

    Args:
        slope: the gradient of what is descended.
        fast: where to begin.
        lr: step size of all tensors; or of each, one number or one for every element.
        steps: how many.
    """
    rates = lr if isinstance(lr, dict) else dict.fromkeys(fast, lr)
    for _ in range(steps):
        down = slope(fast)
        fast = {name: _stepped(value, rates[name], down[name]) for name, value in fast.items()}
    return fast


def _stepped(value: Tensor, rate: float | Tensor, down: Tensor) -> Tensor:
    if isinstance(rate, Tensor):
        return torch.addcmul(value, rate, down, value=-1)
    return torch.add(value, down, alpha=-rate)


def descend(
    net: Functional,
    loss: Loss,
    fixed: Tensors,
    fast: Tensors,
    support: Examples,
    lr: float | Tensors,
    steps: int,
    context: Context,
    memory: MemorySettings,
    *,
    first_order: bool = False,
) -> Adapted:
    """The network after gradient descent of some of its tensors on the support set.

    Args:
        net: the network.
        loss, fixed, fast, support, memory, first_order: as in `support_gradient`.
        lr, steps: as in `gradient_descent`.
        context: whose query set batch statistics come from, if that is shown.
    """

    def slope(fast: Tensors) -> Tensors:
        return support_gradient(through(net), loss, fixed, fast, support, memory, first_order=first_order)

    fast = gradient_descent(slope, fast, lr, steps)
    return Adapted(fixed | fast, reference_of(support, context.query), support)


def adam(
    objectives: Callable[[int], Objective],
    fast: Tensors,
    lr: float,
    steps: int,
    *,
    beta1: float = 0.9,
    beta2: float = 0.999,
    eps: float = 1e-8,
) -> Tensors:
    """`steps` steps of Adam (Kingma and Ba 2015, algorithm 1); `objectives(i)` is what step i descends."""
    first = {name: torch.zeros_like(value) for name, value in fast.items()}
    second = {name: torch.zeros_like(value) for name, value in fast.items()}
    for i in range(steps):
        down = gradient(objectives(i), fast)
        first = {name: beta1 * first[name] + (1 - beta1) * g for name, g in down.items()}
        second = {name: beta2 * second[name] + (1 - beta2) * g.square() for name, g in down.items()}
        unbias1, unbias2 = 1 - beta1 ** (i + 1), 1 - beta2 ** (i + 1)
        fast = {
            name: value - lr * (first[name] / unbias1) / ((second[name] / unbias2).sqrt() + eps)
            for name, value in fast.items()
        }
    return fast


def predict_adapted(net: Functional, loss: Loss, adapted: Adapted, x: Tensor) -> Tensor:
    """Outputs of an adapted network; batch statistics come from its reference cases."""
    return loss.restrict(net.given(adapted.tensors, adapted.reference, x), adapted.support)


def reference_of(support: Examples, query: Reference | None) -> Reference:
    """Whose batch statistics to use: the query set's where it is shown, the support set's otherwise."""
    return Reference(support.x, support.mask) if query is None else query
