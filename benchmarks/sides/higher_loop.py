"""higher, as in its examples/maml-omniglot.py."""

from __future__ import annotations

import higher
import torch

from sides.side import Side, loss_of
from workloads import Problem


def side(problem: Problem) -> Side:
    """`innerloop_ctx` around every task, with the initial weights not copied."""
    network, loss = problem.network(), loss_of(problem)
    inner = torch.optim.SGD(network.parameters(), problem.workload.inner_lr)

    def backward() -> None:
        for x, y, query_x, query_y in zip(*problem.support, *problem.query, strict=True):
            with higher.innerloop_ctx(network, inner, copy_initial_weights=False) as (fast, optimizer):
                for _ in range(problem.steps):
                    optimizer.step(loss(fast(x), y))
                (loss(fast(query_x), query_y) / problem.tasks).backward()

    return Side(list(network.parameters()), backward)
