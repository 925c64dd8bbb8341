"""Padding changes nothing: a task in a batch of larger ones gives what it gives alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from contracts.algorithms import ROWS, Row, start
from contracts.examples import (
    LEARNERS,
    PLAIN,
    Learner,
    all_close,
    close,
    draw_regression,
    draw_task,
    ragged,
)
from metadx.algorithms import SQUARED_ERROR, Algorithm, Engine, solve
from metadx.learners import Tensors
from metadx.tasks import Examples, Task, stack, unstack

GARBAGE = 1e3
BATCHED = [row for row in ROWS if row.over(PLAIN).tensors]


def with_garbage(task: Task) -> Task:
    """The task with loud inputs where its padding is."""
    return Task(
        *(
            part._replace(x=torch.where(part.mask.view(-1, *(1,) * (part.x.dim() - 1)) > 0, part.x, GARBAGE))
            for part in task
        )
    )


def padded(task: Task, larger: Task) -> Task:
    """The task as it is in a batch with a larger one."""
    return with_garbage(unstack(stack([task, larger]))[0])


def outcome(algorithm: Algorithm, params: Tensors, state: Tensors, task: Task) -> tuple[Tensors, Tensor]:
    """The direction and the loss that one task gives."""
    direction, _, metrics = algorithm.update(params, state, task)
    return direction, metrics.get("loss", torch.zeros(()))


def modes(row: Row) -> list[dict[str, bool]]:
    return [{}, {"transductive": True}] if row.accepts("transductive") else [{}]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@pytest.mark.parametrize("learner", LEARNERS, ids=lambda learner: learner.name)
def test_a_padded_task_gives_what_it_gives_alone(
    row: Row, learner: Learner, rng: np.random.Generator
) -> None:
    larger = draw_task(rng, learner.shape, ways=4, shots=4, query=5)
    task = draw_task(rng, learner.shape, ways=3, shots=2, query=3)
    for mode in modes(row):
        algorithm = row.over(learner, "relu", **mode)
        params, state = start(algorithm)
        big = padded(task, larger)
        alone, together = (solve(algorithm, params, state, t) for t in (task, big))
        assert close(together[: len(alone), :3], alone)
        assert together[: len(alone), 3].max() < alone.min() - 20, "a padded way could be predicted"

        if algorithm.consumes == "tasks":
            direction, loss = outcome(algorithm, params, state, task)
            same, value = outcome(algorithm, params, state, big)
            assert all_close(direction, same)
            assert value.item() == pytest.approx(loss.item(), rel=1e-9)


@pytest.mark.parametrize("row", BATCHED, ids=lambda row: row.name)
@pytest.mark.parametrize("way", ["loop", "vmap"])
def test_the_engine_predicts_ragged_tasks_as_each_alone(row: Row, way: str, rng: np.random.Generator) -> None:
    algorithm = row.over(PLAIN)
    params, state = start(algorithm)
    tasks = ragged(rng, PLAIN.shape)
    for task, found in zip(tasks, Engine(algorithm, way).predict(params, state, tasks), strict=True):
        assert close(found, solve(algorithm, params, state, task))


@pytest.mark.parametrize("row", [r for r in ROWS if r.accepts("loss")], ids=lambda row: row.name)
def test_a_padded_regression_task_gives_what_it_gives_alone(row: Row, rng: np.random.Generator) -> None:
    algorithm = row.on(PLAIN(2), loss=SQUARED_ERROR)
    params, state = start(algorithm)
    task, other = draw_regression(rng, PLAIN.shape), draw_regression(rng, PLAIN.shape)
    small = task._replace(support=Examples(*(t[:4] for t in task.support)))
    big = padded(small, other)

    assert close(
        solve(algorithm, params, state, big)[: len(small.query.x)], solve(algorithm, params, state, small)
    )
    direction, loss = outcome(algorithm, params, state, small)
    same, value = outcome(algorithm, params, state, big)
    assert all_close(direction, same)
    assert value.item() == pytest.approx(loss.item(), rel=1e-9)
