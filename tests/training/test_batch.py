"""A task that leaves the finite numbers is named and left out, and the rest of its batch is learned from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from metadx.algorithms import MAML, Context, Engine, FineTune
from metadx.errors import Notice
from metadx.tasks import Task, stack, unstack
from metadx.training import ALONE, Diverged, Record, TrainingSettings, feed_for, train
from metadx.training.batch import learn
from training.making import dataset, network

SETTINGS = TrainingSettings(iterations=6, meta_batch=3)


def spoiled(batch: Task, number: int) -> Task:
    """The batch with one infinite input in one of its tasks."""
    x = batch.support.x.clone()
    x[number, 0, 0] = float("inf")
    return batch._replace(support=batch.support._replace(x=x))


@pytest.mark.parametrize("way", ["loop", "vmap"])
def test_a_batch_teaches_what_it_does_without_the_task(way: Any) -> None:
    algorithm = MAML(network(), 0.1, 2)
    params, state = algorithm.init(np.random.default_rng(0))
    batch = dataset().sample(np.random.default_rng(0), 3)
    rest = stack([task for i, task in enumerate(unstack(batch)) if i != 1])
    found = learn(Engine(algorithm, way), params, state, spoiled(batch, 1), Context(), ALONE)
    expected = learn(Engine(algorithm, way), params, state, rest, Context(), ALONE)
    assert (found.left_out, expected.left_out) == ((1,), ())
    assert found.direction is not None
    assert expected.direction is not None
    for name, value in expected.direction.items():
        torch.testing.assert_close(found.direction[name], value)
    assert found.metrics["loss"].isfinite()


class Spoiling:
    """A feed whose second task of the batches named is not finite."""

    def __init__(self, batches: set[int]) -> None:
        self.batches, self.drawn = batches, 0

    def __call__(self, rng: np.random.Generator, size: int) -> Task:
        self.drawn += 1
        batch = dataset().sample(rng, size)
        return spoiled(batch, 1) if self.drawn in self.batches else batch


def test_the_run_goes_on_and_counts_them() -> None:
    records: list[Record] = []
    with pytest.warns(
        Notice, match=r"step \d: what the batch gave is not finite and does not count\.$"
    ) as said:
        trained = train(MAML(network(), 0.1, 1), Spoiling({2, 3}), [], SETTINGS, [records.append])
    assert len(said) == 2
    assert [record.get("left_out") for record in records] == [None, 1, 1, None, None, None]
    assert all(np.isfinite(record["loss"]) for record in records)
    assert all(value.isfinite().all() for value in trained.params.values())


def test_the_task_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    algorithm, data = MAML(network(), 0.1, 1), dataset()
    named = data.names(np.random.default_rng(np.random.SeedSequence(0).spawn(2)[0]), 3)
    sample = data.sample
    monkeypatch.setattr(data, "sample", lambda rng, size: spoiled(sample(rng, size), 1))
    with pytest.warns(Notice) as said:
        train(algorithm, feed_for(algorithm, data), [], SETTINGS.model_copy(update={"iterations": 1}))
    (notice,) = said
    assert str(notice.message) == (
        f"step 1: what task 2 of 3, {named[1]} gave is not finite and does not count."
    )


def test_after_ten_batches_they_are_only_counted() -> None:
    records: list[Record] = []
    settings = SETTINGS.model_copy(update={"iterations": 14})
    with pytest.warns(Notice) as said:
        train(MAML(network(), 0.1, 1), Spoiling(set(range(15))), [], settings, [records.append])
    assert len(said) == 10
    assert "Further ones are only counted, as left_out." in str(said[-1].message)
    assert [record["left_out"] for record in records] == [1] * 14


def test_pooled_cases_that_are_not_finite_are_left_out_together() -> None:
    algorithm = FineTune(network(None), width=8, classes=6)
    feed, drawn = feed_for(algorithm, dataset()), []

    def spoiling(rng: np.random.Generator, size: int) -> Any:
        drawn.append(feed(rng, size))
        x = drawn[-1].x.clone()
        x[0] = float("nan")
        return drawn[-1]._replace(x=x) if len(drawn) != 3 else drawn[-1]

    records: list[Record] = []
    with pytest.warns(Notice), pytest.raises(Diverged, match="no task of 5 batches in a row"):
        train(algorithm, spoiling, [], TrainingSettings(iterations=20, meta_batch=8), [records.append])
    assert [record.get("left_out") for record in records] == [1, 1, None, 1, 1, 1, 1]
