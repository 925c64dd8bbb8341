"""TorchOpt's functional optimiser under vmap, as in its examples/functorch/maml_omniglot_vmap.py."""

from __future__ import annotations

import warnings

import torch
import torchopt
from functorch import make_functional_with_buffers
from torch import Tensor
from torch.func import grad, vmap

from sides.side import Side, loss_of
from workloads import Problem


def side(problem: Problem) -> Side:
    """All tasks at once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        network, parameters, buffers = make_functional_with_buffers(problem.network())
    loss = loss_of(problem)

    def value(parameters: tuple[Tensor, ...], x: Tensor, y: Tensor) -> Tensor:
        return loss(network(parameters, buffers, x), y)

    def loss_of_task(x: Tensor, y: Tensor, query_x: Tensor, query_y: Tensor) -> Tensor:
        optimizer = torchopt.sgd(lr=problem.workload.inner_lr)
        state, fast = optimizer.init(parameters), parameters
        for _ in range(problem.steps):
            updates, state = optimizer.update(grad(value)(fast, x, y), state, inplace=False)
            fast = torchopt.apply_updates(fast, updates, inplace=False)
        return value(fast, query_x, query_y)

    def backward() -> None:
        losses: Tensor = vmap(loss_of_task)(*problem.support, *problem.query)
        torch.mean(losses).backward()

    return Side(list(parameters), backward)
