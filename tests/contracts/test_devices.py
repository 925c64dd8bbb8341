"""Whatever an algorithm computes it computes where its parameters are.

The device "meta" holds shapes without numbers, and refuses to be mixed with the processor, as a GPU does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from contracts.algorithms import CLASSES, ROWS, Row, start
from contracts.examples import PLAIN, TABLE, draw_task, pooled
from metadx.algorithms import Context, Engine, home, solve
from metadx.algorithms.engine import Way
from metadx.learners import Tensors
from metadx.tasks import Task, stack

_ELSEWHERE = torch.device("meta")
ON_TENSORS = [row for row in ROWS if row.over(PLAIN).tensors]
UPDATING = [row for row in ON_TENSORS if row.over(PLAIN).consumes != "nothing"]


def _elsewhere(tensors: Tensors) -> Tensors:
    return {name: value.to(_ELSEWHERE) for name, value in tensors.items()}


def _moved(row: Row) -> tuple[Any, Tensors, Tensors]:
    algorithm = row.over(PLAIN)
    params, state = start(algorithm)
    return algorithm, _elsewhere(params), _elsewhere(state)


def _task(seed: int) -> Task:
    return draw_task(np.random.default_rng(seed), TABLE)


@pytest.mark.parametrize("way", ["loop", "vmap"])
@pytest.mark.parametrize("row", UPDATING, ids=lambda row: row.name)
def test_an_update_stays_where_the_parameters_are(row: Row, way: Way) -> None:
    algorithm, params, state = _moved(row)
    rng = np.random.default_rng(1)
    if algorithm.consumes == "cases":
        direction, state, metrics = algorithm.update(
            params, state, pooled(_task(0), CLASSES).to(_ELSEWHERE), Context(rng, 3)
        )
    else:
        direction, state, metrics = Engine(algorithm, way).update(
            params, state, stack([_task(0), _task(1)]), Context(rng, 3)
        )
    assert all(value.device == _ELSEWHERE for part in (direction, state, metrics) for value in part.values())


@pytest.mark.parametrize("row", ON_TENSORS, ids=lambda row: row.name)
def test_a_task_is_solved_where_it_is(row: Row) -> None:
    algorithm, params, state = _moved(row)
    with torch.no_grad():
        assert solve(algorithm, params, state, _task(0).to(_ELSEWHERE)).device == _ELSEWHERE


def test_home_is_where_the_tensors_are() -> None:
    assert home({}, {"a": torch.zeros(1, device="meta")}) == _ELSEWHERE
    assert home({}, {}) == torch.device("cpu")
