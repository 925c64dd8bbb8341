"""Implicit MAML: its direction is the implicit gradient, and the true one where the inner problem is solved."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from contracts.examples import PLAIN, TABLE, WAYS, all_close, draw_task
from metadx.algorithms import IMAML, Engine
from metadx.algorithms.imaml import conjugate_gradient
from metadx.learners import Tensors
from metadx.tasks import Examples, Task, stack

PENALTY = 2.0
LR = 0.2


@pytest.fixture
def network() -> nn.Module:
    return PLAIN(WAYS)


@pytest.fixture
def tasks(rng: np.random.Generator) -> list[Task]:
    return [draw_task(rng, TABLE) for _ in range(2)]


def loss_of(network: nn.Module, weights: Tensors, cases: Examples) -> Tensor:
    output = functional_call(network, weights, (cases.x,))
    return F.cross_entropy(output[:, : cases.y.shape[1]], cases.y.argmax(1))


def solve(network: nn.Module, start: Tensors, task: Task, steps: int) -> Tensors:
    """Gradient descent on the inner problem, attached to where it started."""
    weights = start
    for _ in range(steps):
        away = sum((weights[name] - start[name]).square().sum() for name in start)
        loss = loss_of(network, weights, task.support) + PENALTY / 2 * away
        gradients = torch.autograd.grad(loss, list(weights.values()), create_graph=True)
        weights = {name: w - LR * g for (name, w), g in zip(weights.items(), gradients, strict=True)}
    return weights


def unrolled(network: nn.Module, tasks: list[Task], steps: int) -> Tensors:
    """The gradient of the mean query loss through all inner steps."""
    start = {name: p.detach().clone().requires_grad_() for name, p in network.named_parameters()}
    losses = [loss_of(network, solve(network, start, task, steps), task.query) for task in tasks]
    gradients = torch.autograd.grad(torch.stack(losses).mean(), list(start.values()))
    return dict(zip(start, gradients, strict=True))


def found(network: nn.Module, tasks: list[Task], way: str, **settings: Any) -> tuple[Tensors, float]:
    """The direction of the algorithm, and how far its inner problem is from being solved."""
    algorithm = IMAML(network, inner_lr=LR, penalty=PENALTY, **settings)
    direction, _, metrics = Engine(algorithm, way).update(*algorithm.net.init(), stack(tasks))
    return direction, metrics["unsolved"].item()


@pytest.mark.parametrize("way", ["loop", "vmap"])
def test_solved_its_direction_is_the_gradient_through_the_inner_loop(
    way: str, network: nn.Module, tasks: list[Task]
) -> None:
    direction, unsolved = found(network, tasks, way, inner_steps=80, cg_steps=60)
    assert unsolved < 1e-9
    assert all_close(direction, unrolled(network, tasks, 80), 1e-7)


def test_unsolved_its_direction_is_not_that_gradient_and_it_says_so(
    network: nn.Module, tasks: list[Task]
) -> None:
    direction, unsolved = found(network, tasks, "loop", inner_steps=1, cg_steps=60)
    assert unsolved > 0.1
    assert not all_close(direction, unrolled(network, tasks, 1), 1e-2)
    assert not IMAML(network).exact_gradient


@pytest.mark.parametrize("damping", [0.0, 3.0])
def test_its_direction_solves_the_implicit_equation_wherever_the_inner_loop_ends(
    damping: float, network: nn.Module, tasks: list[Task]
) -> None:
    task = tasks[0]
    direction, _ = found(network, [task], "loop", inner_steps=3, cg_steps=60, damping=damping)
    start = {name: p.detach().clone().requires_grad_() for name, p in network.named_parameters()}
    ended = {name: w.detach() for name, w in solve(network, start, task, 3).items()}
    sizes = [w.numel() for w in ended.values()]

    def of(flat: Tensor) -> Tensors:
        parts = flat.split(sizes)
        return {name: part.view(ended[name].shape) for name, part in zip(ended, parts, strict=True)}

    at = torch.cat([w.flatten() for w in ended.values()])
    curvature = torch.autograd.functional.hessian(lambda flat: loss_of(network, of(flat), task.support), at)
    slope = torch.autograd.functional.jacobian(lambda flat: loss_of(network, of(flat), task.query), at)
    expected = torch.linalg.solve(torch.eye(len(at)).double() + curvature / (PENALTY + damping), slope)
    assert all_close(direction, of(expected), 1e-8)


def test_conjugate_gradient_solves_what_is_positive_and_stops_at_what_is_not(
    rng: np.random.Generator,
) -> None:
    root = torch.from_numpy(rng.normal(size=(6, 6)))
    matrix = root @ root.mT + torch.eye(6).double()
    right = {"a": torch.from_numpy(rng.normal(size=6))}
    x = conjugate_gradient(lambda v: {"a": matrix @ v["a"]}, right, 12)["a"]
    assert torch.allclose(x, torch.linalg.solve(matrix, right["a"]), rtol=1e-9)

    nothing = conjugate_gradient(lambda v: {"a": matrix @ v["a"]}, {"a": torch.zeros(6).double()}, 3)["a"]
    assert not nothing.any()
    saddle = conjugate_gradient(lambda v: {"a": -v["a"]}, right, 3)["a"]
    assert torch.equal(saddle, right["a"])
    bent = torch.tensor([3.0, 1.0, 1.0, 1.0, 1.0, -3.0]).double()
    first = conjugate_gradient(lambda v: {"a": bent * v["a"]}, {"a": torch.ones(6).double()}, 1)["a"]
    assert torch.allclose(first, torch.full((6,), 1.5).double())
    assert torch.equal(
        conjugate_gradient(lambda v: {"a": bent * v["a"]}, {"a": torch.ones(6).double()}, 5)["a"], first
    )
