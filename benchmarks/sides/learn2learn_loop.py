"""learn2learn, as in its examples/vision/maml_omniglot.py."""

from __future__ import annotations

from sides.side import Side, loss_of
from stand_in import stand_in
from workloads import Problem

stand_in("torchvision")
import learn2learn  # noqa: E402


def side(problem: Problem) -> Side:
    """Clone, adapt and backward for every task, and gradients divided by their number at the end."""
    loss = loss_of(problem)
    maml = learn2learn.algorithms.MAML(problem.network(), lr=problem.workload.inner_lr, first_order=False)

    def backward() -> None:
        for x, y, query_x, query_y in zip(*problem.support, *problem.query, strict=True):
            learner = maml.clone()
            for _ in range(problem.steps):
                learner.adapt(loss(learner(x), y))
            loss(learner(query_x), query_y).backward()
        for parameter in maml.parameters():
            parameter.grad.data.mul_(1.0 / problem.tasks)

    return Side(list(maml.parameters()), backward)
