"""What a GPU computes is what a CPU computes, however batches are run there."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.utils import _pytree as pytree

from contracts.algorithms import ROWS, Row, start
from contracts.examples import BATCH_NORM, IMAGE, PLAIN, TABLE, Learner, ragged
from metadx.algorithms import MAML, Context, Engine, FineTune, captured
from metadx.algorithms.engine import Way
from metadx.learners import ConvNet, Tensors
from metadx.tasks import Task, stack
from metadx.training import TrainingSettings, feed_for, train
from training.making import dataset, network, tasks

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

GPU = "cuda"
ON_TENSORS = [row for row in ROWS if row.over(PLAIN).tensors]
BY_TASK = [row for row in ON_TENSORS if row.over(PLAIN).consumes == "tasks"]
BY_STEP = {"MAML++", "MAML++-annealing"}
WAITING = {"R2-D2", "LR-D2", "Mahalanobis", "GaussianProcess", "MetaLogistic", "GramRidge"}
"""Where torch looks whether an equation could be solved, which no graph waits for."""
ON_PICTURES = [row for row in BY_TASK if row.name in ("MAML", "MAML-first-order", "ANIL", "R2-D2", "Reptile")]


def on_gpu(tensors: Tensors) -> Tensors:
    return {name: value.to(GPU) for name, value in tensors.items()}


def batch(learner: Learner, shift: float) -> Task:
    support, query = stack(ragged(np.random.default_rng(0), learner.shape))
    return Task(support._replace(x=support.x + shift), query._replace(x=query.x - shift))


@pytest.mark.parametrize("way", ["loop", "vmap", "recorded"])
@pytest.mark.parametrize(
    ("row", "learner"),
    [(row, PLAIN) for row in BY_TASK] + [(row, BATCH_NORM) for row in ON_PICTURES],
    ids=lambda one: one.name,
)
def test_directions_are_those_of_a_loop_on_a_cpu(
    row: Row, learner: Learner, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("metadx.algorithms.engine._SOON", 1)
    replays = []
    replay = captured._Captured.__call__
    monkeypatch.setattr(
        captured._Captured, "__call__", lambda self, *leaves: replays.append(1) or replay(self, *leaves)
    )
    algorithm = row.over(learner)
    params, state = start(algorithm)
    here, there = Engine(algorithm, "loop"), Engine(algorithm, way)
    for step in range(5):
        tasks = batch(learner, 0.1 * step)
        expected, found = (
            engine.directions(on(params), on(state), tasks, Context(np.random.default_rng(0), step, True))
            for engine, on in ((here, dict), (there, on_gpu))
        )
        for one, other in zip(*map(pytree.tree_leaves, (found, expected)), strict=True):
            assert one.device.type == GPU
            torch.testing.assert_close(one.cpu(), other, rtol=1e-6, atol=1e-8, equal_nan=True)
        params = {name: value - 0.1 * expected[0][name].mean(0) for name, value in params.items()}
    recorded = way == "recorded" and row.name not in BY_STEP
    assert there.recorded == recorded
    if row.name not in WAITING:
        assert len(replays) == (3 if recorded else 0), "one to compare, and then a graph does the rest"


@pytest.mark.parametrize("row", ON_TENSORS, ids=lambda row: row.name)
def test_a_task_is_solved_as_on_a_cpu(row: Row) -> None:
    algorithm = row.over(PLAIN)
    params, state = start(algorithm)
    several = ragged(np.random.default_rng(0), TABLE)
    for way in ("loop", "vmap"):
        found = Engine(algorithm, way).predict(on_gpu(params), on_gpu(state), several)
        for one, other in zip(found, Engine(algorithm, "loop").predict(params, state, several), strict=True):
            torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("kind", ["tasks", "cases"])
@pytest.mark.parametrize("ahead", [0, 3])
def test_training_there_ends_where_training_here_does(kind: str, ahead: int) -> None:
    algorithm: Any = {
        "tasks": MAML(network(), 0.1, 2),
        "cases": FineTune(network(None), width=8, classes=6),
    }[kind]
    found, expected = (
        train(
            algorithm,
            feed_for(algorithm, dataset()),
            tasks(5),
            TrainingSettings(iterations=120, meta_batch=3, validate_every=60, device=device, ahead=many),
        )
        for device, many in ((GPU, ahead), ("cpu", 0))
    )
    assert kind == "cases" or found.way == "recorded"
    for name, value in expected.params.items():
        assert (found.params[name] - value).norm() <= 1e-2 * value.norm(), name


def test_bfloat16_trains() -> None:
    algorithm = MAML(network(), 0.1, 2)
    settings = TrainingSettings(
        iterations=150, meta_batch=3, validate_every=150, device=GPU, precision="bfloat16", keep="last"
    )
    losses: list[float] = []
    train(algorithm, feed_for(algorithm, dataset()), tasks(5), settings, [lambda r: losses.append(r["loss"])])
    assert np.mean(losses[-20:]) < np.mean(losses[:20])


def test_recomputing_keeps_memory_from_growing_with_inner_steps() -> None:
    most = {}
    for recompute in (False, True):
        for steps in (2, 16):
            algorithm = MAML(ConvNet((1, 28, 28), 4, width=16), 0.1, steps, recompute=recompute)
            params, state = (on_gpu(made) for made in algorithm.init(np.random.default_rng(0)))
            several = stack(ragged(np.random.default_rng(0), (1, 28, 28))).to(GPU, torch.float32)
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            Engine(algorithm, "vmap").directions(params, state, several, Context(train=True))
            most[recompute, steps] = torch.cuda.max_memory_allocated()
    kept, recomputed = (most[way, 16] - most[way, 2] for way in (False, True))
    assert kept > 3 * recomputed


def test_pictures_of_every_size_are_shared_out_over_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    algorithm = next(row for row in ON_PICTURES if row.name == "MAML").over(BATCH_NORM)
    params, state = start(algorithm)
    several = stack(ragged(np.random.default_rng(0), IMAGE))
    expected = Engine(algorithm, "loop").directions(params, state, several)
    monkeypatch.setattr("metadx.algorithms.engine._BYTES_FOR_ONE", 1 << 40)
    found = Engine(algorithm, "vmap").directions(on_gpu(params), on_gpu(state), several)
    for one, other in zip(*map(pytree.tree_leaves, (found, expected)), strict=True):
        torch.testing.assert_close(one.cpu(), other, rtol=1e-6, atol=1e-8)
