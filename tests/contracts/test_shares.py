"""Tasks in shares, each on a thread of its own, teach what they teach together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils import _pytree as pytree

from contracts.algorithms import ROWS, Row, start
from contracts.examples import PLAIN, TABLE, ragged
from metadx.algorithms import Context, Engine
from metadx.algorithms.cores import over_cores
from metadx.learners import networks_dtype, networks_in
from metadx.tasks import stack

BY_TASK = [row for row in ROWS if row.over(PLAIN).consumes == "tasks"]


@pytest.fixture(autouse=True)
def three_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    before = torch.get_num_threads()
    monkeypatch.setattr("metadx.algorithms.engine._SHARED", 0)
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def directions(row: Row, way: Any, runs: int = 1) -> Any:
    rng = np.random.default_rng(0)
    batch = stack([*ragged(rng, TABLE), *ragged(rng, TABLE)[1:]])
    algorithm = row.over(PLAIN)
    params, state = start(algorithm)
    engine = Engine(algorithm, way)
    for _ in range(runs):
        found = engine.directions(params, state, batch, Context(np.random.default_rng(1), 3, train=True))
    return found


@pytest.mark.parametrize("row", BY_TASK, ids=lambda row: row.name)
def test_shares_teach_what_all_together_do(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("metadx.algorithms.engine._OFTEN", 1)
    shared, recorded = directions(row, "vmap"), directions(row, "recorded", 4)
    torch.set_num_threads(1)
    together = directions(row, "vmap")
    for found in (shared, recorded):
        assert pytree.tree_structure(found) == pytree.tree_structure(together)
        for one, other in zip(*map(pytree.tree_leaves, (found, together)), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-10, equal_nan=True)


def test_jobs_know_what_the_caller_knows_and_have_one_thread_each() -> None:
    with networks_in(torch.bfloat16):
        found = over_cores([lambda: (networks_dtype(), torch.get_num_threads())] * 3)
    assert found == [(torch.bfloat16, 1)] * 3
    assert torch.get_num_threads() == 3
    assert over_cores([torch.get_num_threads]) == [1]


def test_what_goes_wrong_in_a_share_is_raised() -> None:
    def fails() -> None:
        raise ValueError("no such task")

    with pytest.raises(ValueError, match="no such task"):
        over_cores([lambda: None, fails])
