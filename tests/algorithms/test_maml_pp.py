"""MAML++ against its paper, written out by hand; and what each of its switches does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from contracts.examples import BATCH_NORM, TABLE, WAYS, all_close, close, draw_task, perturbed
from metadx.algorithms import MAML, Context, Engine, MAMLPlusPlus, solve
from metadx.learners import Tensors
from metadx.tasks import Task, stack

STEPS = 3
OFF: dict[str, Any] = {
    "multi_step_until": 0,
    "first_order_until": 0,
    "step_rates": False,
    "step_scales": False,
}


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(4)
    layers = nn.Sequential(nn.Linear(TABLE[0], 6), nn.BatchNorm1d(6), nn.Tanh(), nn.Linear(6, WAYS))
    return perturbed(layers.double())


@pytest.fixture
def tasks(rng: np.random.Generator) -> list[Task]:
    return [draw_task(rng, TABLE) for _ in range(3)]


def forward(w: Tensors, step: int, x: Tensor, reference: Tensor) -> Tensor:
    """The network's output at an inner step, with batch statistics of the reference."""
    hidden, seen = (F.linear(z, w["0.weight"], w["0.bias"]) for z in (x, reference))
    scaled = (hidden - seen.mean(0)) / (seen.var(0, unbiased=False) + 1e-5).sqrt()
    return F.linear((scaled * w["1.weight"][step] + w["1.bias"][step]).tanh(), w["3.weight"], w["3.bias"])


def by_hand(params: Tensors, tasks: list[Task], importance: list[float], first_order: bool) -> Tensors:
    """The gradient of the weighted query losses after each inner step, by autograd."""
    leaves = {name: p.clone().requires_grad_() for name, p in params.items()}
    names = ["0.weight", "0.bias", "3.weight", "3.bias"]
    for support, query in tasks:
        w = dict(leaves)
        for step in range(STEPS):
            loss = F.cross_entropy(
                forward(w, step, support.x, support.x)[:, : support.y.shape[1]], support.y.argmax(1)
            )
            gradients = torch.autograd.grad(loss, [w[n] for n in names], create_graph=not first_order)
            w |= {n: w[n] - leaves[f"inner_lr.{n}"][step] * g for n, g in zip(names, gradients, strict=True)}
            output = forward(w, step + 1, query.x, support.x)[:, : query.y.shape[1]]
            value = F.cross_entropy(output, query.y.argmax(1)) * importance[step] / len(tasks)
            value.backward(retain_graph=True)
    return {name: torch.zeros_like(p) if p.grad is None else p.grad for name, p in leaves.items()}


@pytest.mark.parametrize("way", ["loop", "vmap"])
@pytest.mark.parametrize(
    ("outer", "importance", "first_order"),
    [
        (0, [1 / 3, 1 / 3, 1 / 3], True),
        (5, [1 / 6, 1 / 6, 2 / 3], True),
        (8, [0.2 / 3, 0.2 / 3, 1 - 0.4 / 3], False),
        (10, [0.0, 0.0, 1.0], False),
    ],
)
def test_direction_is_that_of_the_paper_at_every_stage_of_training(
    way: str,
    outer: int,
    importance: list[float],
    first_order: bool,
    network: nn.Module,
    tasks: list[Task],
    rng: np.random.Generator,
) -> None:
    algorithm = MAMLPlusPlus(
        network, inner_lr=0.3, inner_steps=STEPS, multi_step_until=10, first_order_until=7
    )
    params, state = algorithm.init(rng)
    params = {name: p + torch.from_numpy(rng.normal(0, 0.1, p.shape)) for name, p in params.items()}
    found = Engine(algorithm, way).update(params, state, stack(tasks), Context(rng, outer))[0]
    assert all_close(found, by_hand(params, tasks, importance, first_order))


def test_late_early_steps_still_count_a_little(network: nn.Module) -> None:
    weights = MAMLPlusPlus(network, inner_steps=4, multi_step_until=1000)._weights(999)
    assert weights == pytest.approx({1: 0.0075, 2: 0.0075, 3: 0.0075, 4: 0.9775})


def test_with_every_switch_off_it_is_maml(network: nn.Module, tasks: list[Task]) -> None:
    plain = MAML(network, inner_lr=0.3, inner_steps=STEPS)
    params, state = plain.net.init()
    algorithm = MAMLPlusPlus(network, inner_lr=0.3, inner_steps=STEPS, **OFF)
    assert algorithm.init(np.random.default_rng(0))[0].keys() == params.keys()
    found = Engine(algorithm).update(params, state, stack(tasks))
    expected = Engine(plain).update(params, state, stack(tasks))
    assert all_close(found[0], expected[0])
    assert found[1].keys() == expected[1].keys()


@pytest.mark.parametrize("way", ["loop", "vmap"])
def test_statistics_move_towards_those_of_the_support_sets_at_each_step(
    way: str, network: nn.Module, tasks: list[Task], rng: np.random.Generator
) -> None:
    algorithm = MAMLPlusPlus(network, inner_steps=STEPS, step_statistics=True)
    params, state = algorithm.init(rng)
    after = Engine(algorithm, way).update(params, state, stack(tasks), Context(rng, 1))[1]

    hidden = [F.linear(task.support.x, params["0.weight"], params["0.bias"]) for task in tasks]
    mean = torch.stack([h.mean(0) for h in hidden]).mean(0)
    variance = torch.stack([h.var(0, unbiased=False) for h in hidden]).mean(0)
    assert after["1.mean"].shape == (STEPS + 1, 6)
    assert close(after["1.mean"][0], 0.1 * mean)
    assert close(after["1.variance"][0], 0.9 + 0.1 * variance)
    assert not close(after["1.mean"][1], after["1.mean"][0], 1e-6)


def test_gathered_statistics_are_used_after_training_and_those_of_the_support_set_in_training(
    network: nn.Module, tasks: list[Task], rng: np.random.Generator
) -> None:
    algorithm = MAMLPlusPlus(network, inner_steps=STEPS, step_statistics=True)
    params, state = algorithm.init(rng)
    other = state | {"1.mean": state["1.mean"] + 1.0}
    training = Context(train=True)

    assert not close(
        solve(algorithm, params, state, tasks[0]), solve(algorithm, params, other, tasks[0]), 0.01
    )
    assert close(
        solve(algorithm, params, state, tasks[0], training),
        solve(algorithm, params, other, tasks[0], training),
    )


def test_statistics_of_a_query_set_are_not_gathered() -> None:
    algorithm = MAMLPlusPlus(BATCH_NORM(WAYS), step_statistics=True, transductive=True)
    assert algorithm.init(np.random.default_rng(0))[1] == algorithm.net.init()[1]
