"""Settings that bound memory change no result, whichever way the engine runs; what cannot be split is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from contracts.algorithms import ROWS, Row, start
from contracts.examples import BATCH_NORM, LEARNERS, Learner, all_close, draw_task, ragged
from contracts.live import Live
from metadx.algorithms import Engine
from metadx.algorithms.engine import Way
from metadx.errors import UserError
from metadx.tasks import stack

RECOMPUTING = [row for row in ROWS if row.accepts("recompute") and not row.settings.get("recompute")]
IN_PARTS = [row for row in ROWS if row.accepts("inner_microbatch") and not row.settings.get("recompute")]
LEARNING = [learner for learner in LEARNERS if learner.name in ("mlp", "convnet-stride-batch")]
EVERY_CASE_ALONE = [learner for learner in LEARNERS if learner.name in ("mlp-layer", "convnet-pool-group")]
SPACIOUS = next(learner for learner in LEARNERS if learner.name == "convnet-stride-group")
every_recomputing = pytest.mark.parametrize("row", RECOMPUTING, ids=lambda row: row.name)
every_row = pytest.mark.parametrize("row", IN_PARTS, ids=lambda row: row.name)


def directions(row: Row, learner: Learner, way: Way, **settings: Any) -> dict[str, Tensor]:
    algorithm = row.over(learner, **settings)
    batch = stack(ragged(np.random.default_rng(0), learner.shape))
    return Engine(algorithm, way).update(*start(algorithm), batch)[0]


@every_recomputing
@pytest.mark.parametrize("learner", LEARNING, ids=lambda learner: learner.name)
@pytest.mark.parametrize("way", ["loop", "vmap"])
def test_recomputed_steps_give_the_same_direction(row: Row, learner: Learner, way: Way) -> None:
    kept = directions(row, learner, way)
    assert all_close(kept, directions(row, learner, way, recompute=True), 1e-10)


@every_row
@pytest.mark.parametrize("learner", EVERY_CASE_ALONE, ids=lambda learner: learner.name)
@pytest.mark.parametrize("way", ["loop", "vmap"])
@pytest.mark.parametrize("recompute", [False, True], ids=["kept", "recomputed"])
def test_a_support_set_in_parts_gives_the_same_direction(
    row: Row, learner: Learner, way: Way, recompute: bool
) -> None:
    whole = directions(row, learner, way)
    again = {"recompute": True} if recompute and row.accepts("recompute") else {}
    assert all_close(whole, directions(row, learner, way, inner_microbatch=4, **again), 1e-10)


@every_row
def test_batch_statistics_of_parts_are_refused(row: Row) -> None:
    with pytest.raises(
        UserError, match=r"inner_microbatch is 4, but the network has batch norms.*norm: group"
    ):
        row.over(BATCH_NORM, inner_microbatch=4)


@every_row
def test_a_part_has_a_case_at_least(row: Row) -> None:
    with pytest.raises(UserError, match="inner_microbatch must be at least 1, not 0"):
        row.over(EVERY_CASE_ALONE[0], inner_microbatch=0)


@every_row
def test_no_more_cases_than_asked_for_go_through_the_network_at_once(row: Row) -> None:
    seen: list[int] = []

    class Watched(nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(len(x))
            return super().forward(x)

    outputs = 3 if row.network == "logits" else 5
    network = nn.Sequential(
        Watched(3, 6), nn.Tanh(), nn.Linear(6, 6), nn.Tanh(), nn.Linear(6, outputs)
    ).double()
    algorithm = row.on(network, inner_microbatch=2)
    params, state = start(algorithm)
    with torch.no_grad():
        algorithm.adapt(params, state, draw_task(np.random.default_rng(0), (3,), shots=5).support)
    assert max(seen) == 2


def peak(row: Row, **settings: Any) -> int:
    """Bytes that one update of a task with 30 support cases takes."""
    algorithm = row.over(SPACIOUS, **settings)
    params, state = start(algorithm)
    batch = stack([draw_task(np.random.default_rng(0), SPACIOUS.shape, shots=10)])
    with Live() as live:
        Engine(algorithm).update(params, state, batch)
    return live.most


@every_recomputing
def test_memory_hardly_grows_with_inner_steps_that_are_recomputed(row: Row) -> None:
    few, many = (peak(row, inner_steps=steps, recompute=True) for steps in (2, 12))
    assert many < 2 * few
    if row.over(SPACIOUS).exact_gradient and row.name != "ANIL":  # whose body runs once in any case
        assert many < 0.2 * peak(row, inner_steps=12)


@every_row
def test_memory_hardly_grows_with_support_sets_in_parts(row: Row) -> None:
    again = {"recompute": True} if row.accepts("recompute") else {}
    assert peak(row, inner_microbatch=5, **again) < 0.7 * peak(row, **again)


@pytest.mark.parametrize("name", ["ANIL", "iMAML", "Reptile"])
def test_some_keep_hardly_any_activations_of_inner_steps_anyway(name: str) -> None:
    row = next(row for row in ROWS if row.name == name)
    assert peak(row, inner_steps=12) < 1.3 * peak(row, inner_steps=2)
