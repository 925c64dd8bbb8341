"""ANIL goes through the body once, where the head is all that comes after it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from contracts.algorithms import start
from contracts.examples import all_close, draw_task
from metadx.algorithms import ANIL, Context, Engine
from metadx.tasks import stack


class Body(nn.Linear):
    """A layer that counts how often it is gone through."""

    times = 0

    def forward(self, x: Tensor) -> Tensor:
        Body.times += 1
        return super().forward(x).tanh()


class Scaled(nn.Module):
    """A network that does more than its last layer does."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.head = Body(3, 6), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = 2 * self.head(self.body(x))
        return out


def plain() -> nn.Module:
    return nn.Sequential(Body(3, 6), nn.Linear(6, 3))


@pytest.mark.parametrize(("make", "times"), [(plain, 1), (Scaled, 1 + 4)])
def test_the_body_runs_as_often_as_it_must(make: Callable[[], nn.Module], times: int) -> None:
    algorithm = ANIL(make().double(), inner_steps=4)
    params, state = start(algorithm)
    Body.times = 0
    algorithm.adapt(params, state, draw_task(np.random.default_rng(0), (3,)).support, Context(train=True))
    assert Body.times == times


@pytest.mark.parametrize("make", [plain, Scaled])
@pytest.mark.parametrize("way", ["loop", "vmap"])
def test_the_direction_is_that_of_steps_through_the_whole_network(
    make: Callable[[], nn.Module], way: str
) -> None:
    torch.manual_seed(0)
    network = make().double()
    batch = stack([draw_task(np.random.default_rng(seed), (3,)) for seed in range(2)])
    short, whole = (ANIL(network, inner_lr=0.5, inner_steps=4, recompute=whole) for whole in (False, True))
    found, expected = (Engine(one, way).update(*start(one), batch)[0] for one in (short, whole))
    assert all_close(found, expected, 1e-12)
