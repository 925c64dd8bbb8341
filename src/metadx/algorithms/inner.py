"""The inner loop: gradient steps on a support set, as a pure function."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from metadx.algorithms.context import Context
from metadx.algorithms.gradient import Objective, gradient
from metadx.algorithms.losses import Loss
from metadx.algorithms.recompute import recomputed
from metadx.learners import Functional, Reference, Tensors
from metadx.tasks import Examples


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


def support_objective(net: Functional, loss: Loss, fixed: Tensors, support: Examples) -> Objective:
    """The loss on the support set as a function of the tensors that adapt."""

    def objective(fast: Tensors) -> Tensor:
        output = net(fixed | fast, support.x, support.mask)
        return loss.value(loss.restrict(output, support), support)

    return objective


def gradient_descent(
    objective: Objective, fast: Tensors, lr: float | Tensors, steps: int, *, first_order: bool = False
) -> Tensors:
    """`steps` steps of plain gradient descent.

    Args:
        objective: what is descended.
        fast: where to begin.
        lr: step size of all tensors; or of each, one number or one for every element.
        steps: how many.
        first_order: the gradients are constants to the outer loop.
    """
    rates = lr if isinstance(lr, dict) else dict.fromkeys(fast, lr)
    for _ in range(steps):
        down = gradient(objective, fast, differentiable=not first_order)
        fast = {name: value - rates[name] * down[name] for name, value in fast.items()}
    return fast


def descend(
    net: Functional,
    loss: Loss,
    fixed: Tensors,
    fast: Tensors,
    support: Examples,
    lr: float | Tensors,
    steps: int,
    context: Context,
    *,
    first_order: bool = False,
    recompute: bool = False,
) -> Adapted:
    """The network after gradient descent of some of its tensors on the support set.

    Args:
        net: the network.
        loss: of the support set.
        fixed: tensors of the network that do not adapt.
        fast: those that do.
        support: labelled cases of the task.
        lr, steps, first_order: as in `gradient_descent`.
        context: whose query set batch statistics come from, if that is shown.
        recompute: compute each step again when it is differentiated, instead of keeping what it went through.
    """
    learnt = lr if isinstance(lr, dict) else {}

    def step(fast: Tensors, fixed: Tensors, support: Examples, learnt: Tensors) -> Tensors:
        objective = support_objective(net, loss, fixed, support)
        return gradient_descent(objective, fast, learnt or lr, 1, first_order=first_order)

    for _ in range(steps):
        args = (fast, fixed, support, learnt)
        fast = recomputed(step, *args) if recompute else step(*args)
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
