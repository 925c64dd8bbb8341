"""Drawing ahead changes when a batch is drawn, and nothing else."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from metadx.algorithms import MAML, Context, FineTune
from metadx.errors import UserError
from metadx.learners import Tensors
from metadx.tasks import Examples, Task
from metadx.training import Checkpointer, TrainingSettings, feed_for, metrics_file, read_checkpoint, train
from metadx.training.ahead import Ahead
from training.making import dataset, network, tasks

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Restless(MAML):
    """Draws random numbers in its update, which nobody can know ahead."""

    def update(self, params: Tensors, state: Tensors, item: Any, context: Context) -> Any:
        context.rng.random()
        return super().update(params, state, item, context)


def settings(ahead: int, iterations: int = 8) -> TrainingSettings:
    return TrainingSettings(
        iterations=iterations, meta_batch=3, validate_every=3, ahead=ahead, checkpoint_every=0, device="cpu"
    )


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "metadx-ahead"]


@pytest.mark.parametrize("kind", ["tasks", "cases", "restless"])
def test_the_bytes_are_those_of_drawing_when_needed(kind: str, tmp_path: Path) -> None:
    algorithm: Any = {
        "tasks": MAML(network(), 0.1, 1),
        "cases": FineTune(network(None), width=8, classes=6),
        "restless": Restless(network(), 0.1, 1),
    }[kind]

    def once(ahead: int) -> tuple[Tensors, bytes]:
        with metrics_file(tmp_path / f"{kind}{ahead}") as to_file:
            trained = train(algorithm, feed_for(algorithm, dataset()), tasks(3), settings(ahead), [to_file])
        return trained.params, (tmp_path / f"{kind}{ahead}").read_bytes()

    plain, ahead = once(0), once(2)
    assert ahead[1] == plain[1]
    assert all(x.numpy().tobytes() == ahead[0][name].numpy().tobytes() for name, x in plain[0].items())
    assert not threads()


class Stop(Exception):
    """Somebody pulled the plug."""


def test_a_resumed_run_ends_with_the_same_bytes(tmp_path: Path) -> None:
    algorithm = MAML(network(), 0.1, 1)

    def pull(record: dict[str, float]) -> None:
        if record["step"] == 5:
            raise Stop

    feed = feed_for(algorithm, dataset())
    with pytest.raises(Stop):
        train(algorithm, feed, tasks(3), settings(3), [pull], checkpoint=Checkpointer(tmp_path, 0.0))
    assert not threads()
    start = read_checkpoint(tmp_path)
    assert start is not None
    assert start.step == 4
    resumed = train(algorithm, feed, tasks(3), settings(3), checkpoint=Checkpointer(tmp_path, 0.0, start))
    whole = train(algorithm, feed, tasks(3), settings(0))
    assert all(torch.equal(x, resumed.params[name]) for name, x in whole.params.items())


def test_what_the_feed_says_is_said_when_its_turn_comes() -> None:
    algorithm = MAML(network(), 0.1, 1)
    drawn: list[int] = []

    def feed(rng: np.random.Generator, size: int) -> Task | Examples:
        drawn.append(size)
        if len(drawn) == 4:
            raise UserError("the fourth batch is on paper only. Scan it.")
        return dataset().sample(rng, size)

    steps: list[float] = []
    with pytest.raises(UserError, match=r"^the fourth batch is on paper only\. Scan it\.$"):
        train(algorithm, feed, [], settings(2), [lambda record: steps.append(record["step"])])
    assert steps == [1, 2, 3]
    assert not threads()


def test_no_more_wait_than_were_asked_for() -> None:
    drawn = threading.Semaphore(0)

    def feed(rng: np.random.Generator, size: int) -> Task | Examples:
        drawn.release()
        return dataset().sample(rng, size)

    rng = np.random.default_rng(0)
    with Ahead(feed, 2, CPU, 2) as batches:
        batches.next(rng)
        for _ in range(4):
            assert drawn.acquire(timeout=60)
        assert not drawn.acquire(timeout=0.3), "one was taken, two wait, and one is in hand"
    assert not threads()


def test_nothing_is_drawn_ahead_any_more_where_it_was_in_vain() -> None:
    def feed(rng: np.random.Generator, size: int) -> Task | Examples:
        return dataset().sample(rng, size)

    rng, other = np.random.default_rng(0), np.random.default_rng(0)
    with Ahead(feed, 2, CPU, 2) as batches:
        for _ in range(4):
            one, plain = batches.next(rng), feed(other, 2)
            assert torch.equal(one.support.x, plain.support.x)
            assert rng.random() == other.random()
        assert not threads()
