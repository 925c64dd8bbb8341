"""The direction of every algorithm that claims an exact gradient is one, whichever way the engine runs it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from contracts.algorithms import CLASSES, ROWS, Row, start
from contracts.examples import LEARNERS, Learner, all_close, draw_task, pooled, ragged
from metadx.algorithms import Algorithm, Context, Engine, solve
from metadx.learners import Tensors
from metadx.tasks import Examples, Task, stack

EXACT = [row for row in ROWS if row.over(LEARNERS[0]).exact_gradient]
UPDATING = [row for row in ROWS if row.over(LEARNERS[0]).consumes != "nothing"]
STEP = 3e-6


def learners_of(row: Row) -> tuple[Learner, ...]:
    """Every learner; for an algorithm without a network, only the shape of case it takes."""
    return LEARNERS if row.network != "none" else LEARNERS[:1]


def combinations(rows: list[Row]) -> list[object]:
    """Every row over every learner, and transductively too where the user may choose that and it matters."""
    inductive = [(row, learner, {}, "") for row in rows for learner in learners_of(row)]
    transductive = [
        (row, learner, {"transductive": True}, "-transductive")
        for row in rows
        for learner in learners_of(row)
        if row.accepts("transductive") and learner.name.endswith("-batch")
    ]
    return [
        pytest.param(row, learner, mode, id=f"{row.name}-{learner.name}{suffix}")
        for row, learner, mode, suffix in (*inductive, *transductive)
    ]


def smooth(network: nn.Module) -> nn.Module:
    """The network with average-pooling for max-pooling, whose kinks have no derivative."""
    for module in network.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.MaxPool2d | nn.MaxPool3d):
                pool = nn.AvgPool3d if isinstance(child, nn.MaxPool3d) else nn.AvgPool2d
                setattr(module, name, pool(child.kernel_size))
    return network


def items(algorithm: Algorithm, learner: Learner, rng: np.random.Generator) -> list[Task] | list[Examples]:
    """Three ragged tasks, or three batches of pooled cases, whichever the algorithm learns from."""
    tasks = ragged(rng, learner.shape)
    if algorithm.consumes == "tasks":
        return tasks
    return [pooled(draw_task(rng, learner.shape), CLASSES) for _ in tasks]


def mean_loss(
    algorithm: Algorithm, batch: list[Task] | list[Examples], state: Tensors
) -> Callable[[Tensors], float]:
    """What the direction must be the gradient of."""

    def loss(params: Tensors) -> float:
        with torch.no_grad():
            return float(np.mean([one(params, item).item() for item in batch]))

    def one(params: Tensors, item: Task | Examples) -> Tensor:
        if isinstance(item, Task):
            return algorithm.loss.value(
                solve(algorithm, params, state, item, Context(train=True)), item.query
            )
        return algorithm.update(params, state, item)[2]["loss"]

    return loss


def along(
    loss: Callable[[Tensors], float], params: Tensors, name: str, direction: Tensor, step: float = STEP
) -> float:
    """The derivative of `loss` along `direction` in one parameter, by central differences."""
    ahead = loss(params | {name: params[name] + step * direction})
    behind = loss(params | {name: params[name] - step * direction})
    return (ahead - behind) / (2 * step)


def together(
    algorithm: Algorithm, params: Tensors, state: Tensors, batch: list[Task] | list[Examples], way: str
) -> tuple[Tensors, Tensor]:
    """The mean direction and loss of a batch, run one way."""
    if algorithm.consumes == "tasks":
        direction, _, metrics = Engine(algorithm, way).update(params, state, stack(batch))
        return direction, metrics["loss"]
    columns = Examples(*(torch.stack(column) for column in zip(*batch, strict=True)))

    def one(cases: Examples) -> tuple[Tensors, Tensor]:
        direction, _, metrics = algorithm.update(params, state, cases)
        return direction, metrics["loss"]

    if way == "vmap":
        directions, losses = torch.func.vmap(one)(columns)
        return {name: d.mean(0) for name, d in directions.items()}, losses.mean(0)
    results = [one(cases) for cases in batch]
    mean = {name: torch.stack([d[name] for d, _ in results]).mean(0) for name in params}
    return mean, torch.stack([loss for _, loss in results]).mean()


@pytest.mark.parametrize(("row", "learner", "mode"), combinations(EXACT))
def test_direction_is_the_gradient_of_the_query_loss_both_ways(
    row: Row, learner: Learner, mode: dict[str, bool], rng: np.random.Generator
) -> None:
    algorithm = row.over(learner, **mode)
    if row.network != "none":
        algorithm = row.on(smooth(algorithm.network), **mode)
    params, state = start(algorithm)
    batch = items(algorithm, learner, rng)
    loss = mean_loss(algorithm, batch, state)
    probes = {name: torch.from_numpy(rng.normal(size=p.shape)) for name, p in params.items()}
    slopes = {name: along(loss, params, name, probe) for name, probe in probes.items()}

    for way in ("loop", "vmap"):
        direction, value = together(algorithm, params, state, batch, way)
        assert value.item() == pytest.approx(loss(params), rel=1e-9)
        assert direction.keys() == params.keys()
        whole = torch.stack([d.norm() for d in direction.values()]).norm().item()
        for name, found in direction.items():
            expected = (found * probes[name]).sum().item()
            assert slopes[name] == pytest.approx(expected, rel=1e-6, abs=1e-8 * whole), (way, name)


@pytest.mark.parametrize(("row", "learner", "mode"), combinations(UPDATING))
def test_loop_and_vmap_give_the_same_direction_with_kinks_and_all(
    row: Row, learner: Learner, mode: dict[str, bool], rng: np.random.Generator
) -> None:
    algorithm = row.over(learner, "relu", **mode)
    params, state = start(algorithm)
    batch = items(algorithm, learner, rng)
    loop, loss = together(algorithm, params, state, batch, "loop")
    vmap, same = together(algorithm, params, state, batch, "vmap")

    assert all_close(loop, vmap, 1e-6)
    assert loss.item() == pytest.approx(same.item(), rel=1e-9)


def test_first_order_direction_is_not_the_exact_gradient(rng: np.random.Generator) -> None:
    exact, first = (row for row in ROWS if row.name in ("MAML", "MAML-first-order"))
    batch = stack(ragged(rng, LEARNERS[0].shape))
    directions = []
    for row in (exact, first):
        algorithm = row.over(LEARNERS[0])
        directions.append(Engine(algorithm).update(*start(algorithm), batch)[0])

    assert not all_close(*directions, 1e-2)
