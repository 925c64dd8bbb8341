"""What is written down of an algorithm's update gives, bit by bit, what the update gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils import _pytree as pytree

from contracts.algorithms import ROWS, Row, start
from contracts.examples import BATCH_NORM, PLAIN, WAYS, Learner, ragged
from metadx.algorithms import Context, Engine, choose_way
from metadx.learners import networks_in
from metadx.tasks import Examples, Task, stack

BY_TASK = [row for row in ROWS if row.over(PLAIN).consumes == "tasks"]
ON_PICTURES = {"MAML", "ANIL", "R2-D2", "Reptile"}
BY_STEP = {"MAML++", "MAML++-annealing"}


def batch(shift: float, learner: Learner = PLAIN) -> Task:
    """Always the same ragged tasks, but for where their cases lie."""
    support, query = stack(ragged(np.random.default_rng(0), learner.shape))
    return Task(support._replace(x=support.x + shift), query._replace(x=query.x - shift))


@pytest.mark.parametrize(
    ("row", "learner"),
    [(row, PLAIN) for row in BY_TASK] + [(row, BATCH_NORM) for row in BY_TASK if row.name in ON_PICTURES],
    ids=lambda one: one.name,
)
def test_it_gives_the_same_bits(row: Row, learner: Learner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metadx.algorithms.engine._OFTEN", 1)
    monkeypatch.setattr("metadx.algorithms.engine._SOON", 1)
    algorithm = row.over(learner)
    params, state = start(algorithm)
    recorded, plain = Engine(algorithm, "recorded"), Engine(algorithm, "vmap")
    for step in range(5):
        context = Context(np.random.default_rng(0), step, train=True)
        found, expected = (
            engine.directions(params, state, batch(0.1 * step, learner), context)
            for engine in (recorded, plain)
        )
        assert pytree.tree_structure(found) == pytree.tree_structure(expected)
        for one, other in zip(*map(pytree.tree_leaves, (found, expected)), strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)
        params = {name: value - 0.1 * expected[0][name].mean(0) for name, value in params.items()}
    assert recorded.recorded == (row.name not in BY_STEP)


def test_what_was_written_down_in_one_precision_runs_in_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metadx.algorithms.engine._OFTEN", 0)
    algorithm = next(row for row in BY_TASK if row.name == "MAML").on(PLAIN(WAYS).float())
    params, state = algorithm.init(np.random.default_rng(0))
    tasks = Task(*(Examples(*(column.float() for column in part)) for part in batch(0.0)))
    recorded, plain = Engine(algorithm, "recorded"), Engine(algorithm, "vmap")
    for dtype in (None, torch.bfloat16) * 4:
        with networks_in(dtype):
            found, expected = (one.directions(params, state, tasks)[0] for one in (recorded, plain))
        for name in expected:
            torch.testing.assert_close(found[name], expected[name], rtol=0, atol=0)


def test_algorithms_that_are_to_save_memory_are_not_written_down() -> None:
    row = next(row for row in BY_TASK if row.name == "MAML")
    ways = {}
    for settings in ({}, {"recompute": True}, {"inner_microbatch": 2}):
        algorithm = row.over(PLAIN, **settings)
        ways[str(settings)] = choose_way(algorithm, algorithm.init(np.random.default_rng(0))[0])
    assert list(ways.values()) == ["recorded", "loop", "loop"]
