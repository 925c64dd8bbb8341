"""TorchOpt's `MetaSGD`, as in its examples/few-shot/maml_omniglot.py."""

from __future__ import annotations

import torch
import torchopt

from sides.side import Side, loss_of
from workloads import Problem


def side(problem: Problem) -> Side:
    """The network stepped in place of itself for every task and recovered after it; one backward at the end."""
    network, loss = problem.network(), loss_of(problem)
    inner = torchopt.MetaSGD(network, lr=problem.workload.inner_lr)
    parameters = list(network.parameters())

    def backward() -> None:
        losses = []
        weights = torchopt.extract_state_dict(network, by="reference", detach_buffers=True)
        state = torchopt.extract_state_dict(inner, by="reference")
        for x, y, query_x, query_y in zip(*problem.support, *problem.query, strict=True):
            for _ in range(problem.steps):
                inner.step(loss(network(x), y))
            losses.append(loss(network(query_x), query_y))
            torchopt.recover_state_dict(network, weights)
            torchopt.recover_state_dict(inner, state)
        torch.stack(losses).mean().backward()

    return Side(parameters, backward)
