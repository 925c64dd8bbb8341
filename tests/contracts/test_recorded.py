"""What is written down of an algorithm's update gives, bit by bit, what the update gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.utils import _pytree as pytree

from contracts.algorithms import ROWS, Row, start
from contracts.examples import PLAIN, TABLE, ragged
from metadx.algorithms import Context, Engine
from metadx.tasks import Task, stack

BY_TASK = [row for row in ROWS if row.over(PLAIN).consumes == "tasks"]
BY_STEP = {"MAML++", "MAML++-annealing"}


def batch(shift: float) -> Task:
    """Always the same ragged tasks, but for where their cases lie."""
    support, query = stack(ragged(np.random.default_rng(0), TABLE))
    return Task(support._replace(x=support.x + shift), query._replace(x=query.x - shift))


@pytest.mark.parametrize("row", BY_TASK, ids=lambda row: row.name)
def test_it_gives_the_same_bits(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metadx.algorithms.engine._OFTEN", 1)
    algorithm = row.over(PLAIN)
    params, state = start(algorithm)
    recorded, plain = Engine(algorithm, "recorded"), Engine(algorithm, "vmap")
    for step in range(5):
        context = Context(np.random.default_rng(0), step, train=True)
        found, expected = (
            engine.directions(params, state, batch(0.1 * step), context) for engine in (recorded, plain)
        )
        assert pytree.tree_structure(found) == pytree.tree_structure(expected)
        for one, other in zip(*map(pytree.tree_leaves, (found, expected)), strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)
        params = {name: value - 0.1 * expected[0][name].mean(0) for name, value in params.items()}
    assert recorded.recorded == (row.name not in BY_STEP)
