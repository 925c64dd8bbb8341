"""Networks compute in bfloat16 where that is asked for; nothing around them does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from contracts.algorithms import ROWS, Row, start
from contracts.examples import LEARNERS, WIDTH, Learner, all_close, draw_task, ragged
from metadx.algorithms import Algorithm, Engine, solve
from metadx.algorithms.engine import Way
from metadx.learners import Functional, NamedSettings, Tensors, build_learner, networks_in
from metadx.tasks import Examples, Task, stack

SAFE = [
    row for row in ROWS
    if row.network != "none" and row.kind.consumes == "tasks" and row.name not in ("iMAML", "MAML-recomputing")
]  # fmt: skip
SOLVED = [row for row in SAFE if row.name in ("R2-D2", "LR-D2", "Mahalanobis", "GaussianProcess")]
STRIDED = next(learner for learner in LEARNERS if learner.name == "convnet-stride-batch")
SHAPES = {"mlp": (6,), "convnet": (1, 16, 16), "signalnet": (2, 32), "tcn": (2, 32), "grud": (6, 12)}


def single(row: Row, learner: Learner, **settings: Any) -> tuple[Algorithm, Tensors, Tensors]:
    """An algorithm and its tensors in float32."""
    algorithm = row.on(row.over(learner).network.float(), **settings)  # type: ignore[attr-defined]
    params, state = ({k: _single(t) for k, t in tensors.items()} for tensors in start(algorithm))
    return algorithm, params, state


def _single(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def tasks(learner: Learner) -> Task:
    batch = stack(ragged(np.random.default_rng(0), learner.shape))
    return Task(*(Examples(*map(_single, part)) for part in batch))


def flat(tensors: Tensors) -> Tensor:
    return torch.cat([t.flatten() for t in tensors.values()])


@pytest.mark.parametrize("row", SAFE, ids=lambda row: row.name)
@pytest.mark.parametrize("way", ["loop", "vmap"])
def test_a_direction_is_nearly_that_of_float32(row: Row, way: Way) -> None:
    algorithm, params, state = single(row, STRIDED)
    exact, _, metrics = Engine(algorithm, way).update(params, state, tasks(STRIDED))
    with networks_in(torch.bfloat16):
        found, _, rounded = Engine(algorithm, way).update(params, state, tasks(STRIDED))
    assert all(d.dtype == torch.float32 for d in (*found.values(), *rounded.values()))
    assert not torch.equal(flat(exact), flat(found))
    assert rounded["loss"].item() == pytest.approx(metrics["loss"].item(), rel=0.02, abs=0.01)
    assert torch.cosine_similarity(flat(exact), flat(found), 0) > 0.98


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("batched", [False, True], ids=["plain", "vmap"])
def test_every_learner_gives_nearly_what_it_gives_in_float32(name: str, batched: bool) -> None:
    shape = SHAPES[name]
    torch.manual_seed(0)
    net = Functional(build_learner(NamedSettings(name=name), shape, 3))
    params, state = net.init()
    x = torch.randn(2, 8, *shape)

    def outputs() -> Tensor:
        if batched:
            return torch.func.vmap(lambda x: net(params | state, x))(x)
        return torch.stack([net(params | state, one) for one in x])

    exact = outputs()
    with networks_in(torch.bfloat16):
        found = outputs()
    assert found.dtype == torch.float32
    assert 0 < (found - exact).norm() < 0.02 * exact.norm()


@pytest.mark.parametrize("row", SOLVED, ids=lambda row: row.name)
def test_heads_are_solved_as_ever(row: Row) -> None:
    head = row.on(nn.Identity())
    task = draw_task(np.random.default_rng(0), (WIDTH,))
    task = Task(*(Examples(*map(_single, part)) for part in task))
    params, state = ({k: _single(t) for k, t in tensors.items()} for tensors in start(head))
    with torch.no_grad():
        exact = solve(head, params, state, task)
        with networks_in(torch.bfloat16):
            assert torch.equal(solve(head, params, state, task), exact)


@pytest.mark.parametrize("norm", [nn.BatchNorm1d(5), nn.LayerNorm(5), nn.GroupNorm(1, 5)], ids=str)
def test_norms_compute_as_ever(norm: nn.Module) -> None:
    net = Functional(norm)
    tensors = {name: t + 0.3 for part in net.init() for name, t in part.items() if t.is_floating_point()}
    x, mask = 100 + torch.randn(8, 5), (torch.arange(8) < 6).float()
    exact = net(tensors, x, mask)
    with networks_in(torch.bfloat16):
        assert torch.equal(net(tensors, x, mask), exact)


def test_steps_that_are_computed_again_are_the_same_steps_in_bfloat16() -> None:
    maml = next(row for row in SAFE if row.name == "MAML")
    directions = []
    for again in (False, True):
        algorithm, params, state = single(maml, STRIDED, recompute=again)
        with networks_in(torch.bfloat16):
            directions.append(Engine(algorithm).update(params, state, tasks(STRIDED))[0])
    assert all_close(*directions, 1e-6)


def test_float64_stays_float64() -> None:
    maml = next(row for row in SAFE if row.name == "MAML")
    algorithm = maml.over(STRIDED)
    batch = stack(ragged(np.random.default_rng(0), STRIDED.shape))
    exact = Engine(algorithm).update(*start(algorithm), batch)[0]
    with networks_in(torch.bfloat16):
        found = Engine(algorithm).update(*start(algorithm), batch)[0]
    assert all(torch.equal(exact[name], found[name]) for name in exact)
