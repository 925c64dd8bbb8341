"""MAML by hand with torch alone: what gradients are checked against, and whose arithmetic is counted."""

from __future__ import annotations

import torch
from torch.func import functional_call

from sides.side import Side, loss_of
from workloads import Problem


def side(problem: Problem) -> Side:
    """One task after the other, all steps differentiated through."""
    network, loss = problem.network(), loss_of(problem)
    names = [name for name, _ in network.named_parameters()]
    parameters = list(network.parameters())

    def backward() -> None:
        for x, y, query_x, query_y in zip(*problem.support, *problem.query, strict=True):
            fast = list(parameters)
            for _ in range(problem.steps):
                value = loss(functional_call(network, dict(zip(names, fast, strict=True)), (x,)), y)
                gradient = torch.autograd.grad(value, fast, create_graph=True)
                fast = [p - problem.workload.inner_lr * g for p, g in zip(fast, gradient, strict=True)]
            output = functional_call(network, dict(zip(names, fast, strict=True)), (query_x,))
            (loss(output, query_y) / problem.tasks).backward()

    return Side(parameters, backward)
